//! JSON under `/api/v1`: the same services as the pages, described by OpenAPI.
mod account;
mod admin;
mod dry_run;
pub mod files;
mod home;
pub mod idempotency;
pub mod input;
mod job_logs;
mod jobs;
pub mod openapi;
mod projects;
mod site;
pub mod tasks;

use super::routes::Route;
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Array, ObjectBuilder, Ref, RefOr, Schema, schema::SchemaType, schema::Type},
};

pub fn routes() -> Vec<Route> {
    let mut all = site::routes();
    all.extend(home::routes());
    all.extend(account::routes());
    all.extend(admin::routes());
    all.extend(jobs::routes());
    all.extend(job_logs::routes());
    all.extend(projects::routes());
    all.extend(files::routes());
    all.extend(tasks::routes());
    all
}

/// A page of a list.
#[derive(Serialize)]
pub struct List<T> {
    pub items: Vec<T>,
    /// What to send as `after` for the rest; null at the end.
    pub next: Option<String>,
}

/// By hand, because the derived name of a generic type is the same for every `T`.
impl<T: ToSchema> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        let next = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some(
                "What to send as `after` for the rest; null at the end",
            ));
        ObjectBuilder::new()
            .property("items", Array::new(Ref::from_schema_name(T::name())))
            .required("items")
            .property("next", next)
            .into()
    }
}

impl<T: ToSchema> ToSchema for List<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}
