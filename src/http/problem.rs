//! Errors as RFC 9457 problem details: constant bodies, one place.

use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A problem, as the client may know it. Detail goes to the log.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: &'static str,
}

impl Problem {
    /// Who are you? Also where the door is not for you: it says nothing more.
    pub fn unauthorized() -> Self {
        Self { status: StatusCode::UNAUTHORIZED, title: "Unauthorized", detail: "" }
    }

    /// You are known, and this is not for you: it says nothing more.
    pub fn forbidden() -> Self {
        Self { status: StatusCode::FORBIDDEN, title: "Forbidden", detail: "" }
    }

    /// Too often.
    pub fn too_many() -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, title: "Too many requests", detail: "try again in a minute" }
    }

    /// As many exports stand about as may.
    pub fn too_many_exports() -> Self {
        let detail = "as many exports are being made or lie ready as may: take one away first";
        Self { status: StatusCode::TOO_MANY_REQUESTS, title: "Too many requests", detail }
    }

    /// Not as things stand.
    pub fn conflict(detail: &'static str) -> Self {
        Self { status: StatusCode::CONFLICT, title: "Conflict", detail }
    }

    /// It was there.
    pub fn gone(detail: &'static str) -> Self {
        Self { status: StatusCode::GONE, title: "Gone", detail }
    }

    /// It is understood, and cannot be done.
    pub fn not_open(detail: &'static str) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, title: "Not open", detail }
    }

    /// There is no such thing.
    pub fn not_found() -> Self {
        Self { status: StatusCode::NOT_FOUND, title: "Not found", detail: "" }
    }

    /// The request is not of the form asked for.
    pub fn bad_request(detail: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title: "Bad request", detail }
    }

    /// The body is larger than anything GitHub sends.
    pub fn too_large() -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, title: "Payload too large", detail: "" }
    }

    /// The request did not come in time.
    pub fn too_slow() -> Self {
        Self { status: StatusCode::REQUEST_TIMEOUT, title: "Request timeout", detail: "" }
    }

    /// Not now.
    pub fn unavailable() -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, title: "Service unavailable", detail: "try again later" }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank", "title": self.title, "status": self.status.as_u16(), "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let ask = HeaderValue::from_static("Basic realm=\"Countersign\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, ask);
        }
        response
    }
}

impl From<QueryRejection> for Problem {
    fn from(_: QueryRejection) -> Self {
        Self::bad_request("the query is not of the form asked for")
    }
}

impl From<crate::store::StoreError> for Problem {
    fn from(error: crate::store::StoreError) -> Self {
        tracing::error!(%error, "the store did not answer");
        Self::unavailable()
    }
}
