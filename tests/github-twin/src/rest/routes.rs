//! Every call that this GitHub answers, with the permission it needs: the one table to read.
//!
//! Paths are spelt as in GitHub's published description. Permissions are those of GitHub's reference for Apps.

use super::Needs::{self, App, Nothing, Permission, Token};
use super::{Route, actions, app, checks, issues, pulls, repositories};
use crate::auth::oidc;
use crate::graphql;
use crate::model::PermissionLevel::{Read, Write};
use axum::routing::MethodFilter;

const METADATA: Needs = Permission("metadata", Read);
const CONTENTS: Needs = Permission("contents", Read);
const PULLS: Needs = Permission("pull_requests", Read);
const CHECKS: Needs = Permission("checks", Read);
const STATUSES: Needs = Permission("statuses", Read);
const ACTIONS: Needs = Permission("actions", Read);
const DEPLOYMENTS: Needs = Permission("deployments", Read);

macro_rules! routes {
    ($($method:ident $path:literal $needs:expr => $answer:path;)*) => {
        &[$(Route { method: MethodFilter::$method, path: $path, needs: $needs, answer: $answer }),*]
    };
}

#[rustfmt::skip]
pub(super) const ROUTES: &[Route] = routes! {
    POST "/graphql" Token => graphql::serve;

    GET "/app" App => app::show;
    GET "/app/installations" App => app::installations;
    GET "/app/installations/{installation_id}" App => app::installation;
    POST "/app/installations/{installation_id}/access_tokens" App => app::access_token;
    GET "/app/hook/config" App => app::hook_config;
    GET "/app/hook/deliveries" App => app::deliveries;
    GET "/app/hook/deliveries/{delivery_id}" App => app::delivery;
    POST "/app/hook/deliveries/{delivery_id}/attempts" App => app::redeliver;
    GET "/repos/{owner}/{repo}/installation" App => app::of_repository;
    GET "/installation/repositories" Token => app::repositories;
    GET "/rate_limit" Nothing => app::rate_limit;
    GET "/meta" Nothing => app::meta;

    GET "/users/{username}" Nothing => pulls::user;
    GET "/user/{account_id}" Nothing => pulls::user_by_id;
    GET "/orgs/{org}/memberships/{username}" Permission("members", Read) => pulls::org_membership;
    GET "/orgs/{org}/members/{username}" Permission("members", Read) => pulls::org_member;
    GET "/orgs/{org}/teams/{team_slug}" Permission("members", Read) => pulls::team;
    GET "/orgs/{org}/teams/{team_slug}/members" Permission("members", Read) => pulls::team_members;
    GET "/orgs/{org}/teams/{team_slug}/memberships/{username}" Permission("members", Read) => pulls::team_membership;

    GET "/repos/{owner}/{repo}" METADATA => repositories::show;
    GET "/repositories/{repository_id}" METADATA => repositories::by_id;
    GET "/repos/{owner}/{repo}/collaborators" METADATA => repositories::collaborators;
    GET "/repos/{owner}/{repo}/collaborators/{username}/permission" METADATA => repositories::permission;
    GET "/repos/{owner}/{repo}/teams" METADATA => pulls::teams;
    GET "/repos/{owner}/{repo}/compare/{basehead}" CONTENTS => repositories::compare;
    GET "/repos/{owner}/{repo}/activity" CONTENTS => repositories::activity;
    GET "/repos/{owner}/{repo}/branches" CONTENTS => repositories::branches;
    GET "/repos/{owner}/{repo}/branches/{branch}" CONTENTS => repositories::branch;
    GET "/repos/{owner}/{repo}/commits" CONTENTS => repositories::commits;
    GET "/repos/{owner}/{repo}/commits/{ref}" CONTENTS => repositories::commit;
    GET "/repos/{owner}/{repo}/contents/{path}" CONTENTS => repositories::contents;
    GET "/repos/{owner}/{repo}/rulesets" METADATA => repositories::rulesets;
    GET "/repos/{owner}/{repo}/rulesets/{ruleset_id}" METADATA => repositories::ruleset;
    GET "/repos/{owner}/{repo}/rules/branches/{branch}" METADATA => repositories::rules_of_branch;

    GET "/repos/{owner}/{repo}/pulls" PULLS => pulls::list;
    GET "/repos/{owner}/{repo}/pulls/{pull_number}" PULLS => pulls::show;
    GET "/repos/{owner}/{repo}/pulls/{pull_number}/reviews" PULLS => pulls::reviews;
    GET "/repos/{owner}/{repo}/pulls/{pull_number}/commits" PULLS => pulls::commits;
    GET "/repos/{owner}/{repo}/pulls/{pull_number}/files" PULLS => pulls::files;
    GET "/repos/{owner}/{repo}/issues" Permission("issues", Read) => issues::list;
    POST "/repos/{owner}/{repo}/issues" Permission("issues", Write) => issues::open;
    PATCH "/repos/{owner}/{repo}/issues/{issue_number}" Permission("issues", Write) => issues::change;
    GET "/repos/{owner}/{repo}/issues/{issue_number}/labels" PULLS => pulls::labels;

    POST "/repos/{owner}/{repo}/check-runs" Permission("checks", Write) => checks::create;
    GET "/repos/{owner}/{repo}/check-runs/{check_run_id}" CHECKS => checks::show;
    PATCH "/repos/{owner}/{repo}/check-runs/{check_run_id}" Permission("checks", Write) => checks::update;
    GET "/repos/{owner}/{repo}/commits/{ref}/check-runs" CHECKS => checks::of_commit;
    GET "/repos/{owner}/{repo}/commits/{ref}/check-suites" CHECKS => checks::suites_of_commit;
    GET "/repos/{owner}/{repo}/commits/{ref}/statuses" STATUSES => checks::statuses;
    GET "/repos/{owner}/{repo}/commits/{ref}/status" STATUSES => checks::combined_status;
    POST "/repos/{owner}/{repo}/statuses/{sha}" Permission("statuses", Write) => checks::post_status;

    GET "/repos/{owner}/{repo}/actions/runs" ACTIONS => actions::runs;
    GET "/repos/{owner}/{repo}/actions/runs/{run_id}" ACTIONS => actions::show_run;
    GET "/repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}" ACTIONS => actions::show_attempt;
    GET "/repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs" ACTIONS => actions::jobs_of_attempt;
    GET "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs" ACTIONS => actions::jobs_of_run;
    GET "/repos/{owner}/{repo}/actions/jobs/{job_id}" ACTIONS => actions::show_job;
    GET "/repos/{owner}/{repo}/actions/runs/{run_id}/approvals" ACTIONS => actions::approvals;
    GET "/repos/{owner}/{repo}/actions/runs/{run_id}/pending_deployments" ACTIONS => actions::pending_deployments;
    POST "/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule" Permission("deployments", Write) => actions::answer_rule;
    GET "/repos/{owner}/{repo}/deployments" DEPLOYMENTS => actions::deployments;
    GET "/repos/{owner}/{repo}/deployments/{deployment_id}" DEPLOYMENTS => actions::show_deployment;
    GET "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses" DEPLOYMENTS => actions::deployment_statuses;
    GET "/repos/{owner}/{repo}/environments" ACTIONS => actions::environments;
    GET "/repos/{owner}/{repo}/environments/{environment_name}" ACTIONS => actions::show_environment;
    GET "/repos/{owner}/{repo}/environments/{environment_name}/deployment_protection_rules" ACTIONS => actions::protection_rules;

    GET "/_oidc/.well-known/openid-configuration" Nothing => oidc::configuration;
    GET "/_oidc/.well-known/jwks" Nothing => oidc::jwks;
    GET "/_oidc/token" Nothing => oidc::token;
};
