//! `countersign healthcheck`: whether the service beside it is ready; what a container's engine asks.
//!
//! Invariant: it asks the address that `serve` would listen on under the same settings, and nothing else.

use super::Exit;
use crate::github::web::Web;
use anyhow::{Context, bail};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

pub(super) fn healthcheck(config: Option<&Path>) -> anyhow::Result<Exit> {
    let listen = super::settings(config)?.server.listen;
    let address = reached(&listen).with_context(|| format!("`{listen}` is no address and port to ask at"))?;
    super::runtime()?.block_on(async {
        let (status, _) =
            Web::new(Duration::from_secs(5))?.ask("GET", &format!("http://{address}/readyz"), None, None).await?;
        if status != 200 {
            bail!("the service is not ready ({status})");
        }
        say!("ready");
        Ok(Exit::Done)
    })
}

/// Where a service that listens there is reached from the same machine.
fn reached(listen: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = listen.replace("localhost:", "127.0.0.1:").parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn a_service_that_listens_everywhere_is_asked_here() {
        let asked = |listen| reached(listen).map(|address| address.to_string());
        assert_eq!(asked("0.0.0.0:8080").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(asked("[::]:8080").as_deref(), Some("[::1]:8080"));
        assert_eq!(asked("192.0.2.7:80").as_deref(), Some("192.0.2.7:80"));
        assert_eq!(asked("localhost:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(asked("nowhere"), None);
    }
}
