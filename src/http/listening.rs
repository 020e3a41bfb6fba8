//! Connections: accepted until somebody says stop, and then given a little time to come to their end.
//!
//! Invariant: whoever is slow, silent or gone holds nothing for ever: a request's head must come in time, as its body must
//! ([`super::bodies`]), and a stop ends whatever is still open after its deadline.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long nothing is accepted after accepting failed: the machine has no room for another connection.
const REST: Duration = Duration::from_millis(50);

/// How long others may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To send the head of a request.
    pub head: Duration,
    /// To come to an end after a stop.
    pub end: Duration,
}

/// Answers whoever connects, until `stop` ends. From then on nobody is accepted.
pub async fn listen(listener: TcpListener, router: Router, patience: Patience, stop: impl Future<Output = ()>) {
    let (stopping, told) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(answer(stream, router.clone(), patience.head, told.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(REST).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(patience.end, ended).await.is_err() {
        tracing::warn!(open = connections.len(), "connections that did not come to their end are cut");
        connections.shutdown().await;
    }
}

async fn answer(stream: TcpStream, router: Router, head: Duration, mut told: watch::Receiver<bool>) {
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let stopping = async { told.wait_for(|stopping| *stopping).await.is_ok() };
    // A connection that breaks is whoever's on the other end.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
