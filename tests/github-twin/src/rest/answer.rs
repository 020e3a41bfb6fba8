//! What a REST call is answered: status, body and headers, with GitHub's words for errors.
//!
//! Invariant: an error body always has `message`, `documentation_url` and `status`, as GitHub's have. Next: `routes.rs`.

use serde_json::{Value, json};

const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// One answer, before the headers that every answer carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body; `None` for 204 and 304.
    pub body: Option<Value>,
    /// Headers of this answer alone (`Link`).
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self::with(200, body)
    }

    /// 201 with a body.
    pub fn created(body: Value) -> Self {
        Self::with(201, body)
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::bare(204)
    }

    /// A status without a body.
    pub fn bare(status: u16) -> Self {
        Self { status, body: None, headers: Vec::new() }
    }

    /// Any status with a body.
    pub fn with(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), headers: Vec::new() }
    }

    /// An error as GitHub words it.
    pub fn error(status: u16, message: &str) -> Self {
        Self::with(
            status,
            json!({"message": message, "documentation_url": DOCUMENTATION, "status": status.to_string()}),
        )
    }

    /// 404: it does not exist, or the token may not see it.
    pub fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    /// 401: no credentials, or none that hold.
    pub fn bad_credentials() -> Self {
        Self::error(401, "Bad credentials")
    }

    /// 403: the App was not given the permission that this call needs.
    pub fn not_permitted() -> Self {
        Self::error(403, "Resource not accessible by integration")
    }

    /// 422 with a reason.
    pub fn unprocessable(reason: &str) -> Self {
        let mut answer = Self::error(422, "Validation Failed");
        if let Some(Value::Object(body)) = &mut answer.body {
            body.insert("errors".to_owned(), json!([reason]));
        }
        answer
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}
