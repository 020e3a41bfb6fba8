//! Callers who are slow, silent or greedy: they hold neither the service nor its end.

use crate::scene::{Knock, Scene};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far more than anything here may take.
const LONG: Duration = Duration::from_mins(1);

async fn scene(patience_ms: u64, stop_ms: u64) -> Scene {
    let settings = json!({"server": {"patience_ms": patience_ms, "stop_ms": stop_ms}});
    Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}, "settings": settings})).await
}

/// Connects, and says this much.
async fn says(scene: &Scene, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(scene.address("").trim_start_matches("http://")).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// What comes back until the connection is closed.
async fn hears(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let whole = tokio::time::timeout(LONG, stream.read_to_end(&mut heard)).await;
    assert!(whole.is_ok(), "the connection is still open");
    String::from_utf8_lossy(&heard).into_owned()
}

fn begun(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_or_a_body_that_does_not_come_in_time_is_not_waited_for() {
    let scene = scene(300, 10_000).await;
    let mut head = says(&scene, "POST /webhooks/github HTTP/1.1\r\nhost: x\r\n").await;
    hears(&mut head).await;
    for path in ["/webhooks/github", "/api/v1/gate", "/api/v1/exceptions", "/api/v1/exceptions/x/review"] {
        let mut body = says(&scene, &begun(path)).await;
        let heard = hears(&mut body).await;
        assert!(heard.starts_with("HTTP/1.1 408"), "{path}: {heard}");
    }
    assert!(scene.counted("countersign_deliveries_refused_total").await >= 1.0);
    scene.is_unharmed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_nobody_who_does_not_come_to_an_end() {
    let mut scene = scene(600_000, 300).await;
    let silent = says(&scene, "").await;
    let slow = says(&scene, &begun("/webhooks/github")).await;
    // It answers this one, so it has heard the others.
    assert_eq!(scene.get("/healthz").await.status(), 200);
    let begun = Instant::now();
    scene.play(json!({"service": "stop"})).await;
    assert!(begun.elapsed() < LONG, "it waited for whoever was silent");
    drop((silent, slow));
    assert_eq!(scene.number("SELECT COUNT(*) FROM entries WHERE kind = 'service_stopped'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_of_nobody_leave_room_for_what_github_sends() {
    let scene = scene(600_000, 300).await;
    // Each declares more than it sends, and holds what it sent; there is room for five. Which of them is turned away is up
    // to the order in which they are read.
    let large = vec![b'.'; 25 * 1024 * 1024 - 1];
    let head = format!("POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", large.len() + 1);
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let mut greedy = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (mut reads, mut writes) = says(&scene, &head).await.into_split();
        let (large, told) = (large.clone(), told.clone());
        greedy.spawn(async move {
            // It may be cut while it still sends.
            let _ = writes.write_all(&large).await;
            let mut heard = vec![0; 4_096];
            let read = reads.read(&mut heard).await.unwrap_or(0);
            told.send(String::from_utf8_lossy(&heard[..read]).into_owned()).unwrap();
        });
    }
    let heard = tokio::time::timeout(LONG, hears.recv()).await.unwrap().unwrap();
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 503") && heard.contains("retry-after"), "{heard}");
    // What is of the usual size is kept all the while.
    let secret = scene.stage.world().lock().installation.webhook_secret.clone();
    for delivery in 0..50 {
        let body = format!("{{\"zen\":\"{}\"}}", ".".repeat(60_000));
        assert_eq!(scene.knock(Knock::new("ping", &format!("usual-{delivery}"), body, &secret)).await, 202);
    }
    let others = std::iter::from_fn(|| hears.try_recv().ok()).count();
    assert!(others < 5, "nothing large was held");
    greedy.shutdown().await;
    scene.is_unharmed();
}
