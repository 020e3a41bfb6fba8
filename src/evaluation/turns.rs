//! Turns: at a check, since pull requests that share a head share it and their evaluations run side by side; at a run, which its
//! job and our rule may ask about at once; at an issue.
//!
//! Invariant: whoever publishes on a commit reads what is to be shown and writes it in one turn. Without it, an evaluation
//! that had looked earlier could write later, and show a success that another pull request no longer allows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// One queue for each place where somebody is at work.
#[derive(Default)]
pub(super) struct Turns {
    queues: Mutex<HashMap<String, Arc<Turn<()>>>>,
}

impl Turns {
    /// Waits for the turn at `place`; it ends when the guard is dropped.
    pub(super) async fn at(&self, place: String) -> OwnedMutexGuard<()> {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            // A queue that only this table still knows has nobody in it.
            queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            queues.entry(place).or_default().clone()
        };
        queue.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_place_is_one_queue_and_another_place_another() {
        let turns = Turns::default();
        let first = turns.at("a".to_owned()).await;
        let _elsewhere = turns.at("b".to_owned()).await;
        let second = turns.at("a".to_owned());
        tokio::pin!(second);
        let waits = tokio::select! { biased; _ = &mut second => false, () = std::future::ready(()) => true };
        assert!(waits);
        drop(first);
        second.await;
    }
}
