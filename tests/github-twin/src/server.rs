//! One world on one socket: REST, GraphQL, OIDC, git and the control API; and its webhooks, sent beside.
//!
//! Next: `rest` for what is answered, `delivery` for what is sent.

use crate::model::Shared;
use axum::Router;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Everything that one world answers.
pub fn router(world: &Shared) -> Router {
    Router::new()
        .merge(crate::control::router(world.clone()))
        .merge(crate::git_http::router(world.clone()))
        .merge(crate::pages::router(world.clone()))
        .fallback_service(crate::rest::router(world.clone()))
}

/// A world that listens, and sends its webhooks, until this is dropped.
#[derive(Debug)]
pub struct Serving {
    /// The world.
    pub world: Shared,
    /// Where it listens.
    pub address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Listens at this address (port 0: any free one) and tells the world its own URL.
    pub async fn start(world: Shared, listen: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        world.lock().url = format!("http://{address}");
        let app = router(&world);
        let answering = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the twin stopped answering");
            }
        });
        let sending = tokio::spawn(crate::delivery::send_all(world.clone()));
        Ok(Self { world, address, tasks: vec![answering, sending] })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
