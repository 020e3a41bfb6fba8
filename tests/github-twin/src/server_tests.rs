//! A world on a socket: its webhooks arrive signed and in order, its repository can be cloned, its steps can be posted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::delivery::sign;
use crate::model::{DeliveryOutcome, Event, OWNER, Shared, World};
use crate::server::Serving;
use crate::story::Story;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

async fn serving(directory: &TempDir) -> Serving {
    let story = Story::parse("name: x\nworld: {accounts: {ann: write, ben: write}}\nstory: []\n").unwrap();
    let world = World::build(&story.world, directory.path()).unwrap();
    Serving::start(Shared::new(world), "127.0.0.1:0").await.unwrap()
}

fn branch(world: &mut World, name: &str) {
    let event = Event::Create { reference: format!("refs/heads/{name}"), sender: OWNER };
    world.emit(&event);
}

#[tokio::test]
async fn webhooks_arrive_signed_and_nothing_is_sent_twice_by_itself() {
    let (seen, mut arriving) = mpsc::unbounded_channel();
    let receiver = Router::new().route(
        "/hook",
        post(move |headers: HeaderMap, body: Bytes| {
            let _ = seen.send((headers, body));
            std::future::ready(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, receiver).await });

    let directory = tempfile::tempdir().unwrap();
    let serving = serving(&directory).await;
    {
        let mut world = serving.world.lock();
        world.installation.webhook_url = Some(url);
        "secret".clone_into(&mut world.installation.webhook_secret);
        world.installation.events.push("ping".to_owned());
        branch(&mut world, "one");
    }
    let (headers, body) = arriving.recv().await.unwrap();
    assert_eq!(headers["x-hub-signature-256"], sign("secret", &body));
    assert!(headers["user-agent"].to_str().unwrap().starts_with("GitHub-Hookshot/"));
    let answered = || {
        let world = serving.world.lock();
        let delivery = world.deliveries.first().unwrap();
        (delivery.outcome == DeliveryOutcome::Answered(500)).then(|| (delivery.id, delivery.guid.clone()))
    };
    let (id, guid) = loop {
        match answered() {
            Some(known) => break known,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(headers["x-github-delivery"], guid);
    assert!(serving.world.lock().redeliver(id));
    let (again, _) = arriving.recv().await.unwrap();
    assert_eq!(again["x-github-delivery"], guid);
    assert!(arriving.try_recv().is_err());
}

#[tokio::test]
async fn the_repository_can_be_cloned_without_blobs() {
    let directory = tempfile::tempdir().unwrap();
    let serving = serving(&directory).await;
    let base = serving.world.lock().names["base"].clone();
    let place = directory.path().join("clone.git");
    let cloned = tokio::process::Command::new("git")
        .args(["clone", "--quiet", "--bare", "--filter=blob:none"])
        .arg(format!("http://{}/acme/shop.git", serving.address))
        .arg(&place)
        .status();
    assert!(cloned.await.unwrap().success());
    let head = tokio::process::Command::new("git").arg("-C").arg(&place).args(["rev-parse", "main"]).output();
    assert_eq!(String::from_utf8(head.await.unwrap().stdout).unwrap().trim(), base);
}

#[tokio::test]
async fn steps_are_posted_to_a_standalone_twin() {
    let directory = tempfile::tempdir().unwrap();
    let serving = serving(&directory).await;
    let steps = format!("http://{}/_twin/steps", serving.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = |body: &'static str| client.post(&steps).header("content-type", "application/json").body(body).send();
    let opened = send(r#"{"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}}"#).await.unwrap();
    assert_eq!(opened.status(), 200);
    let refused = send(r#"{"review": {"pr": 1, "by": "ann", "state": "approved"}}"#).await.unwrap();
    assert_eq!(refused.status(), 409);
    let unknown = send(r#"{"review": {"pr": 1, "by": "ann", "state": "approved", "loud": 1}}"#).await.unwrap();
    assert_eq!(unknown.status(), 400);
    assert_eq!(serving.world.lock().pulls.len(), 1);
}
