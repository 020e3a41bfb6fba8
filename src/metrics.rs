//! What the service counts of itself, for Prometheus.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The counters.
pub struct Metrics {
    registry: Registry,
    /// Deliveries kept.
    pub accepted: Counter,
    /// Deliveries turned away, by reason.
    pub refused: Family<Vec<(&'static str, &'static str)>, Counter>,
    /// Evaluations begun.
    pub evaluations: Counter,
    /// Evaluations given up.
    pub abandoned: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let accepted = Counter::default();
        registry.register("deliveries_accepted", "Deliveries kept in the inbox", accepted.clone());
        let refused = Family::<Vec<(&'static str, &'static str)>, Counter>::default();
        registry.register("deliveries_refused", "Deliveries turned away at the door", refused.clone());
        let evaluations = Counter::default();
        registry.register("evaluations", "Evaluations begun", evaluations.clone());
        let abandoned = Counter::default();
        registry.register("evaluations_abandoned", "Evaluations given up after all tries", abandoned.clone());
        Self { registry, accepted, refused, evaluations, abandoned }
    }
}

impl Metrics {
    /// One more delivery turned away.
    pub fn refuse(&self, reason: &'static str) {
        self.refused.get_or_create(&vec![("reason", reason)]).inc();
    }

    /// All of it in Prometheus' text format; `unfinished` is the number of deliveries not finished.
    pub fn text(&self, unfinished: i64) -> String {
        let mut text = format!(
            "# HELP countersign_inbox_unfinished Deliveries not finished.\n\
             # TYPE countersign_inbox_unfinished gauge\ncountersign_inbox_unfinished {unfinished}\n"
        );
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics cannot be written");
        }
        text
    }
}
