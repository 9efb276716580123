//! Routes are declared once: the router, the access test and the list of pages for the accessibility check read this table.
use super::{App, api, assets, pages};
use crate::domain::access::Action;
use axum::{
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use http::Method;

/// What a caller needs. Services decide again, by the thing itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Everybody.
    Visitor,
    /// Whoever is signed in.
    User,
    /// Whoever may do this in the project that the path names, or whose job it names.
    Project(Action),
    /// Site administrators.
    SiteAdmin,
}

/// What a route answers with, which sets its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole page.
    Page,
    /// A form that was sent; answers with a redirection.
    Action,
    /// A part of a page.
    Fragment,
    /// Server-sent events.
    Stream,
    /// A file that is sent or taken: no bound on time, a bound on size of its own.
    Upload,
    Download,
    Api,
    ApiUpload,
    ApiStream,
}

impl Kind {
    pub fn is_api(self) -> bool {
        matches!(self, Self::Api | Self::ApiUpload | Self::ApiStream)
    }
}

pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub right: Right,
    pub kind: Kind,
    /// What the API's description says of it; none for pages.
    pub doc: Option<api::openapi::Doc>,
    pub handler: MethodRouter<App>,
}

impl Route {
    pub fn new<H, T>(
        method: Method,
        path: &'static str,
        kind: Kind,
        right: Right,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        Self {
            method,
            path,
            right,
            kind,
            doc: None,
            handler: on(filter, handler),
        }
    }

    /// A whole page.
    pub fn page<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        right: Right,
        handler: H,
    ) -> Self {
        Self::new(Method::GET, path, Kind::Page, right, handler)
    }

    /// A form that is posted.
    pub fn action<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        right: Right,
        handler: H,
    ) -> Self {
        Self::new(Method::POST, path, Kind::Action, right, handler)
    }

    /// A part of a page.
    pub fn fragment<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        right: Right,
        handler: H,
    ) -> Self {
        Self::new(Method::GET, path, Kind::Fragment, right, handler)
    }

    /// A route of the API with what its description says.
    pub fn api<H: Handler<T, App>, T: 'static>(
        method: Method,
        path: &'static str,
        right: Right,
        handler: H,
        doc: api::openapi::Doc,
    ) -> Self {
        Self {
            doc: Some(doc),
            ..Self::new(method, path, Kind::Api, right, handler)
        }
    }

    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}

/// Every route of the portal.
pub fn routes() -> Vec<Route> {
    let mut all = assets::routes();
    all.extend(pages::routes());
    all.extend(api::routes());
    all
}
