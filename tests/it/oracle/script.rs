//! Makes up what happens next: mostly what people do, sometimes what they should not.
//!
//! Invariant: whatever is made up may be refused by GitHub; the oracle looks at what happened only.

use github_twin::model::{PullRequest, UPSTREAM, World};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

/// A world and a source of steps; the same seed gives the same ones.
pub struct Script {
    random: StdRng,
    commits: u32,
    tags: u32,
    odd: Odd,
    opened: u64,
}

/// The oddities that a story has: most have few, so that some end well.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)]
struct Odd {
    automation: bool,
    forks: bool,
    pushes_past: bool,
    authorship: bool,
    rewriting: bool,
    permissions: bool,
    deliveries: bool,
    strange_runs: bool,
    objections: bool,
    retargets: bool,
    queue: bool,
    actions: bool,
    gates: bool,
    exceptions: bool,
    branches: bool,
    packs: bool,
}

const PEOPLE: [&str; 8] = ["ann", "ben", "cat", "dee", "eve", "ann", "ben", "dee"];

impl Script {
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut odd = || random.random_bool(0.3);
        let odd = Odd {
            automation: odd(),
            forks: odd(),
            pushes_past: odd(),
            authorship: odd(),
            rewriting: odd(),
            permissions: odd(),
            deliveries: odd(),
            strange_runs: odd(),
            objections: odd(),
            retargets: odd(),
            queue: odd(),
            actions: odd(),
            gates: odd(),
            exceptions: odd(),
            branches: odd(),
            packs: odd(),
        };
        Self { random, commits: 0, tags: 0, odd, opened: 0 }
    }

    pub fn chance(&mut self, of: f64) -> bool {
        self.random.random_bool(of)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.choose(&mut self.random).copied().expect("something to choose from")
    }

    pub fn world(&mut self) -> Value {
        let accounts = json!({
            "ann": "write", "ben": "write", "cat": "admin", "dee": "write", "eve": "maintain",
            "ben-home": self.one(&["write", "read"]), "mal": "read", "fay": "none",
            "renovate": {"bot": true, "permission": "write"},
            "robo": {"bot": true, "permission": "write"},
            "mach": "write",
            "github-actions": {"bot": true, "permission": "write"},
        });
        let persons = json!([{"name": "Ben", "accounts": ["ben", "ben-home"]}]);
        let sponsors = if self.chance(0.3) { json!({"robo": ["eve"]}) } else { json!({}) };
        let automation = json!({"trusted": ["renovate"], "machine_users": ["mach"], "sponsors": sponsors});
        let mut settings = json!({"person": persons, "automation": automation});
        if self.odd.packs {
            let pack = self.one(&["two-person", "release-approver", "unattended"]);
            settings["scope"] = json!([{"repositories": ["acme/*"], "production_branch": "main",
                "environments": ["production"], "policies": [pack]}]);
        }
        let reviewers = match self.random.random_range(0..6) {
            0 => json!(["eve", "dee"]),
            1 => json!(["ann", "cat", "mal"]),
            _ => json!([]),
        };
        json!({"accounts": accounts, "settings": settings, "environment": {"reviewers": reviewers}, "queue": self.odd.queue})
    }

    /// Somebody, called as they are called now.
    fn somebody(&mut self, world: &World) -> String {
        let login = if self.odd.automation && self.chance(0.12) {
            self.one(&["renovate", "robo", "mach"])
        } else if self.chance(0.06) {
            self.one(&["ben-home", "mal", "fay", "cat"])
        } else {
            self.one(&PEOPLE)
        };
        called(world, login)
    }

    fn commit(&mut self, world: &World, by: &str) -> Value {
        self.commits += 1;
        let id = format!("c{}", self.commits);
        if !self.odd.authorship || self.chance(0.4) {
            return json!({"id": id, "by": by});
        }
        let other = self.somebody(world);
        match self.random.random_range(0..6) {
            0 => json!({"id": id, "author": by, "committer": other}),
            1 => json!({"id": id, "by": by, "coauthors": [other]}),
            2 => json!({"id": id, "by": by, "coauthors": ["nobody@example.net"]}),
            3 => json!({"id": id, "email": "unknown@example.net"}),
            4 => json!({"id": id, "author": other, "committer": by, "date": "2001-01-01T00:00:00Z"}),
            _ => json!({"id": id, "by": other}),
        }
    }

    /// The next thing to happen.
    pub fn step(&mut self, world: &World) -> Value {
        let open: Vec<&PullRequest> = world.pulls.values().filter(|pull| pull.is_open()).collect();
        let waiting = world.runs.values().next_back().is_some_and(super::release::waits);
        if waiting && self.chance(0.5) {
            let by = self.one(&["eve", "dee", "ann", "cat", "mal"]);
            return json!({"approve_environment": {"by": called(world, by)}});
        }
        let Some(pull) = open.choose(&mut self.random).copied() else {
            return match self.random.random_range(0..10) {
                0..5 if self.opened < 5 => self.open(world),
                5 if self.odd.pushes_past => self.direct_push(world),
                6 => self.around(world),
                _ => self.deployment(world),
            };
        };
        match self.random.random_range(0..100) {
            0..8 if self.opened < 5 => self.open(world),
            8..22 => self.push(world, pull),
            22..58 => self.review(world, pull),
            58..78 => self.merge(world, pull),
            78..86 => self.deployment(world),
            86..89 if self.odd.pushes_past => self.direct_push(world),
            _ => self.about(world, pull),
        }
    }

    fn open(&mut self, world: &World) -> Value {
        let brought: Vec<String> = if self.odd.branches { unopened(world) } else { Vec::new() };
        if self.odd.branches && brought.is_empty() && self.chance(0.4) {
            self.tags += 1;
            let from = if self.chance(0.7) { "main" } else { "base" };
            return json!({"branch": {"name": format!("work-{}", self.tags), "from": from, "by": self.somebody(world)}});
        }
        if let (Some(branch), true) = (brought.first(), self.chance(0.5)) {
            let by = self.somebody(world);
            return json!({"direct_push": {"by": by, "branch": branch, "commits": [self.commit(world, &by)]}});
        }
        self.opened += 1;
        let pr = self.opened;
        if let Some(branch) = brought.first() {
            return json!({"open": {"pr": pr, "by": self.somebody(world), "head": branch}});
        }
        if self.odd.actions && self.chance(0.4) {
            let by = called(world, self.one(&["ann", "ben", "dee"]));
            let commits = json!([self.commit(world, "github-actions")]);
            return json!({"open": {"pr": pr, "by": "github-actions", "via_run": by, "commits": commits}});
        }
        if self.odd.forks && self.chance(0.5) {
            let by = called(world, self.one(&["fay", "mal", "ann"]).to_owned().as_str());
            let commits = json!([self.commit(world, &by)]);
            return json!({"open": {"pr": pr, "by": by, "fork": true, "commits": commits}});
        }
        let by = self.somebody(world);
        let commits: Vec<Value> = (0..self.random.random_range(1..3)).map(|_| self.commit(world, &by)).collect();
        let mut open = json!({"pr": pr, "by": by, "commits": commits});
        if self.odd.retargets && self.chance(0.3) && world.resolve("side").is_ok() {
            open["base"] = json!("side");
        }
        json!({"open": open})
    }

    fn push(&mut self, world: &World, pull: &PullRequest) -> Value {
        let pr = pull.number;
        let by = match world.accounts.get(&pull.opener) {
            Some(opener) if self.chance(0.6) => opener.login.clone(),
            _ => self.somebody(world),
        };
        let mut commit = self.commit(world, &by);
        let head = named(world, &pull.head.sha);
        if self.odd.rewriting && self.chance(0.6) {
            if let (Some(head), true) = (&head, self.chance(0.5)) {
                commit["tree"] = json!(head);
            }
            return json!({"push": {"pr": pr, "by": by, "force": true, "commits": [commit]}});
        }
        match head {
            Some(head) if self.chance(0.15) => {
                commit["parents"] = json!([head, "main"]);
            }
            _ if self.chance(0.1) => {
                return json!({"suggest": {"pr": pr, "by": self.somebody(world), "applied_by": by}});
            }
            _ if self.chance(0.1) => {
                let edited = self.chance(0.5);
                return json!({"update_branch": {"pr": pr, "by": by, "edited": edited}});
            }
            _ => {}
        }
        json!({"push": {"pr": pr, "by": by, "commits": [commit]}})
    }

    fn review(&mut self, world: &World, pull: &PullRequest) -> Value {
        let by = self.somebody(world);
        let pr = pull.number;
        if self.odd.objections && self.chance(0.4) {
            let of = pull.reviews.choose(&mut self.random).map(|review| world.accounts[&review.by].login.clone());
            return match (of, self.chance(0.5)) {
                (Some(of), true) => json!({"dismiss": {"pr": pr, "of": of, "by": by}}),
                _ => json!({"review": {"pr": pr, "by": by, "state": "changes_requested"}}),
            };
        }
        match self.random.random_range(0..12) {
            0 => json!({"review": {"pr": pr, "by": by, "state": "commented"}}),
            1 => {
                let at = pull.commits.choose(&mut self.random).and_then(|sha| named(world, sha));
                json!({"review": {"pr": pr, "by": by, "state": "approved", "at": at}})
            }
            _ => json!({"review": {"pr": pr, "by": by, "state": "approved"}}),
        }
    }

    fn merge(&mut self, world: &World, pull: &PullRequest) -> Value {
        let by = called(world, self.one(&["cat", "cat", "eve", "ann", "ben", "dee", "robo"]));
        let method = self.one(&["merge", "squash", "rebase"]);
        if self.odd.queue && self.chance(0.7) {
            return json!({"queue": {"pr": pull.number, "by": by, "id": format!("m{}", pull.number)}});
        }
        let mut merge = json!({"pr": pull.number, "by": by, "method": method, "id": format!("m{}", pull.number)});
        if by == called(world, "cat") && self.chance(0.25) {
            merge["bypass"] = json!(true);
        } else if self.chance(0.15) {
            merge["auto"] = json!(true);
        }
        json!({"merge": merge})
    }

    fn deployment(&mut self, world: &World) -> Value {
        let by = self.somebody(world);
        match self.random.random_range(0..12) {
            0..2 => return json!({"rerun": {"by": by}}),
            2..5 => return json!({"finish": {"state": self.one(&["success", "success", "success", "failure"])}}),
            _ => {}
        }
        if self.odd.exceptions && self.chance(0.15) {
            let by = called(world, self.one(&["ann", "ben", "cat"]));
            return json!({"exception": {"by": by, "reason": "it burns", "ticket": "INC-1"}});
        }
        if self.odd.gates && self.chance(0.4) {
            return json!({"gate": {"by": by}});
        }
        let via = self.one(&["dispatch", "dispatch", "dispatch", "push", "release", "api"]);
        let mut deploy = json!({"via": via});
        if via != "push" {
            deploy["by"] = json!(by);
        }
        if self.odd.strange_runs && self.chance(0.4) {
            match self.random.random_range(0..5) {
                0 => deploy = json!({"by": by, "via": "schedule"}),
                1 => deploy = json!({"by": by, "via": "pull_request_target"}),
                2 => deploy["job_sha"] = json!("base"),
                3 => deploy = json!({"by": by, "via": "run", "chain": {"by": by, "via": "dispatch"}}),
                _ => deploy["ref"] = json!("base"),
            }
        }
        // What is on the production branch, or was once.
        if via != "push" && deploy.get("ref").is_none() && deploy.get("chain").is_none() && self.chance(0.3) {
            let landed: Vec<&String> =
                world.names.keys().filter(|name| name.starts_with('m') || self.odd.strange_runs).collect();
            if let Some(name) = landed.choose(&mut self.random) {
                deploy["ref"] = json!(name);
            }
        }
        json!({"deploy": deploy})
    }

    fn direct_push(&mut self, world: &World) -> Value {
        let by = called(world, self.one(&["cat", "cat", "ann"]));
        let pull = world.pulls.values().find(|pull| pull.is_open());
        match (pull, self.random.random_range(0..6)) {
            (Some(pull), 0) => json!({"direct_push": {"by": by, "pr_head": pull.number}}),
            (_, 1) if self.odd.rewriting => {
                json!({"direct_push": {"by": by, "force": true, "commits": [self.commit(world, &by)]}})
            }
            (_, 2) if self.odd.branches => match unopened(world).first() {
                Some(side) => {
                    let mut merge = self.commit(world, &by);
                    merge["parents"] = json!(["main", side]);
                    json!({"direct_push": {"by": by, "commits": [merge]}})
                }
                None => json!({"direct_push": {"by": by, "commits": [self.commit(world, &by)]}}),
            },
            _ => json!({"direct_push": {"by": by, "commits": [self.commit(world, &by)]}}),
        }
    }

    /// Something about a pull request.
    fn about(&mut self, world: &World, pull: &PullRequest) -> Value {
        let (pr, by) = (pull.number, self.somebody(world));
        match self.random.random_range(0..10) {
            0..2 if self.odd.automation => json!({"assign": {"pr": pr, "who": self.somebody(world), "by": by}}),
            2 => json!({"close": {"pr": pr, "by": by}}),
            3 => json!({"comment": {"pr": pr, "by": by, "text": "LGTM, approved"}}),
            4 => json!({"label": {"pr": pr, "by": by, "text": "approved"}}),
            5..9 if self.odd.retargets => match (world.resolve("side"), pull.base.as_str()) {
                (Err(_), _) => json!({"branch": {"name": "side", "from": "base", "by": by}}),
                (Ok(_), "side") => json!({"retarget": {"pr": pr, "by": by, "base": "main"}}),
                (Ok(_), _) => json!({"retarget": {"pr": pr, "by": by, "base": "side"}}),
            },
            _ => self.around(world),
        }
    }

    /// Something about people, deliveries, or what was closed.
    fn around(&mut self, world: &World) -> Value {
        let by = self.somebody(world);
        let closed: Vec<&PullRequest> =
            world.pulls.values().filter(|pull| !pull.is_open() && !pull.is_merged()).collect();
        match (self.random.random_range(0..6), closed.choose(&mut self.random)) {
            (0..3, Some(pull)) => json!({"reopen": {"pr": pull.number, "by": by}}),
            (3, _) if self.odd.permissions => {
                let account = called(world, self.one(&["mal", "fay"]));
                json!({"set_permission": {"account": account, "to": "write", "by": called(world, self.one(&["cat", "cat"]))}})
            }
            (4, _) if self.odd.permissions => {
                let account = called(world, self.one(&["dee", "eve"]));
                json!({"set_permission": {"account": account, "to": "read"}})
            }
            (5, _) if self.odd.permissions => {
                self.tags += 1;
                let account = self.one(&["ann", "ben", "dee"]);
                json!({"rename": {"account": called(world, account), "to": format!("{account}-{}", self.tags)}})
            }
            _ if self.odd.deliveries => match self.random.random_range(0..3) {
                0 => json!({"webhooks": {"duplicate": 4}}),
                1 => json!({"webhooks": {"hold": 4, "release": "shuffled"}}),
                _ => json!({"webhooks": {"drop": 2}}),
            },
            _ => self.deployment(world),
        }
    }
}

/// Branches of one's own that no pull request comes from yet.
fn unopened(world: &World) -> Vec<String> {
    let branches = world.upstream().map(|upstream| upstream.branches.keys().cloned().collect::<Vec<_>>());
    let used = |branch: &String| world.pulls.values().any(|pull| pull.head.branch == *branch);
    let own = |branch: &String| branch.starts_with("work-") && !used(branch);
    branches.unwrap_or_default().into_iter().filter(own).collect()
}

/// What the account is called now that was called so when the story began.
fn called(world: &World, login: &str) -> String {
    let now = |it: &&github_twin::model::Account| {
        it.login == login
            || it.login.strip_prefix(login).is_some_and(|rest| {
                rest.strip_prefix('-').is_some_and(|rest| rest.chars().all(|digit| digit.is_ascii_digit()))
            })
    };
    world.accounts.values().find(now).map_or_else(|| login.to_owned(), |account| account.login.clone())
}

/// The story's name for a commit.
fn named(world: &World, sha: &str) -> Option<String> {
    world.names.iter().find(|(_, known)| *known == sha).map(|(name, _)| name.clone())
}

/// Whether a pull request comes from a fork.
pub fn is_fork(pull: &PullRequest) -> bool {
    pull.head.repository != UPSTREAM
}
