//! An allowed deployment as a SLSA verification summary, for whoever admits artifacts and commits
//! (<https://slsa.dev/spec/v1.1/verification_summary>).
//!
//! Invariant: only a decision on record that allows is attested, and a level is claimed only where the verdict names three
//! different people for every change. The decision it speaks of can be looked up in the ledger.

use countersign_core::domain::{Decision, Outcome, Subject};
use countersign_core::ledger::SigningKey;
use countersign_core::ledger::canonical;
use countersign_core::ledger::envelope::{Envelope, IN_TOTO};
use serde_json::json;

/// What is claimed: author, reviewer and deployer are three people.
const THREE: &str = "SOD_AUTHOR_REVIEWER_DEPLOYER_DISTINCT";

/// The attestation of a decision made at `time` (RFC 3339) by `tool`; `None` where it allows no deployment. It speaks of the
/// commit, and of the artifact that the job named when it asked, both for one environment.
pub fn attest(decision: &Decision, (time, tool): (&str, &str), key: &SigningKey) -> Option<Envelope> {
    Some(Envelope::seal(key, IN_TOTO, &statement(decision, (time, tool), key.name())?))
}

/// What is attested in the ledger's name: the bytes of an in-toto statement. The same decision gives the same bytes.
pub(super) fn statement(decision: &Decision, (time, tool): (&str, &str), ledger: &str) -> Option<Vec<u8>> {
    let verdict = &decision.verdict;
    let Subject::Deployment(deployment) = &decision.facts.subject else { return None };
    if verdict.outcome != Outcome::Allow {
        return None;
    }
    let terms = &decision.facts.terms;
    let source = format!("git+{}/{}", terms.web_url, decision.facts.repository.full_name);
    let mut subjects = vec![json!({"name": source, "digest": {"gitCommit": deployment.target}})];
    let digest = deployment.request.as_ref().and_then(|request| request.digest.as_deref());
    if let Some(digest) = digest.and_then(|digest| digest.strip_prefix("sha256:")) {
        subjects.push(json!({"name": "artifact", "digest": {"sha256": digest}}));
    }
    let three = !verdict.changes.is_empty() && verdict.changes.iter().all(|change| change.three.is_some());
    let (name, version) = tool.split_once(' ').unwrap_or((tool, ""));
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": {"id": format!("https://{ledger}"), "version": {name: version}},
            "timeVerified": time,
            // What was allowed for one environment is not allowed for another: whoever admits compares the whole.
            "resourceUri": format!("{source}@{}#environment={}", deployment.target, encoded(&deployment.environment)),
            "policy": {
                "uri": format!("https://{ledger}/decisions/{}", decision.id),
                "digest": {"sha256": decision.policy_digest},
            },
            "verificationResult": "PASSED",
            "verifiedLevels": three.then_some(THREE).into_iter().collect::<Vec<_>>(),
            "slsaVersion": "1.1",
        },
    });
    canonical::to_bytes(&statement).ok()
}

/// Text as part of an address: all but letters, digits and `-._~` is percent-encoded (RFC 3986).
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn an_environment_is_one_part_of_an_address() {
        assert_eq!(encoded("Production eu/1#x"), "Production%20eu%2F1%23x");
    }
}
