//! The API's description, made from the table of routes.
use crate::web::{Problem, Right, routes::Route};
use http::Method;
use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, Content, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathItem,
        PathsBuilder, Ref, RefOr, Required, ResponseBuilder, Schema,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

/// What is said of one route.
#[derive(Default, Clone)]
pub struct Doc {
    summary: &'static str,
    query: &'static [(&'static str, &'static str)],
    body: Option<(Vec<&'static str>, RefOr<Schema>)>,
    answers: Vec<Answer>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    says: &'static str,
    /// Media type and shape.
    content: Option<(&'static str, RefOr<Schema>)>,
}

/// A route that does this.
pub fn doc(summary: &'static str) -> Doc {
    Doc {
        summary,
        ..Doc::default()
    }
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .build()
        .into()
}

impl Doc {
    /// Query parameters and what each means.
    #[must_use]
    pub fn query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    /// Takes this as JSON or YAML.
    #[must_use]
    pub fn structured<T: ToSchema>(mut self) -> Self {
        self.body = Some((
            vec!["application/json", "application/yaml"],
            self.named::<T>(),
        ));
        self
    }

    /// Takes bytes.
    #[must_use]
    pub fn bytes(mut self) -> Self {
        self.body = Some((vec!["application/octet-stream"], text()));
        self
    }

    /// Answers with this as JSON.
    #[must_use]
    pub fn json<T: ToSchema>(mut self, status: u16, says: &'static str) -> Self {
        let schema = self.named::<T>();
        self.answers.push(Answer {
            status,
            says,
            content: Some(("application/json", schema)),
        });
        self
    }

    /// Answers with text or bytes of this type.
    #[must_use]
    pub fn raw(mut self, status: u16, says: &'static str, kind: &'static str) -> Self {
        self.answers.push(Answer {
            status,
            says,
            content: Some((kind, text())),
        });
        self
    }

    /// Answers with nothing but the status.
    #[must_use]
    pub fn empty(mut self, status: u16, says: &'static str) -> Self {
        self.answers.push(Answer {
            status,
            says,
            content: None,
        });
        self
    }

    fn named<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(name).into()
    }
}

/// The whole document.
pub fn document(routes: &[Route]) -> OpenApi {
    let mut components = ComponentsBuilder::new()
        .schema("Problem", <Problem as utoipa::PartialSchema>::schema())
        .security_scheme(
            "token",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
    let mut nested = Vec::new();
    Problem::schemas(&mut nested);
    components = components.schemas_from_iter(nested);
    let mut paths = PathsBuilder::new();
    for route in routes.iter().filter(|route| route.kind.is_api()) {
        let Some(doc) = &route.doc else { continue };
        components = components.schemas_from_iter(doc.schemas.clone());
        let path = route.path.replace("{*", "{");
        paths = paths.path(
            path,
            PathItem::new(method(&route.method), operation(route, doc)),
        );
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Tourmaline")
                .version(env!("CARGO_PKG_VERSION"))
                .build(),
        )
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

fn operation(route: &Route, doc: &Doc) -> OperationBuilder {
    let mut operation = OperationBuilder::new().summary(Some(doc.summary));
    for name in route
        .path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
    {
        let parameter = ParameterBuilder::new()
            .name(name.trim_start_matches('*'))
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(text()));
        operation = operation.parameter(parameter);
    }
    for (name, says) in doc.query {
        let parameter = ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(*says))
            .schema(Some(text()));
        operation = operation.parameter(parameter);
    }
    if let Some((kinds, schema)) = &doc.body {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for kind in kinds {
            body = body.content(*kind, Content::new(Some(schema.clone())));
        }
        operation = operation.request_body(Some(body.build()));
    }
    for Answer {
        status,
        says,
        content,
    } in &doc.answers
    {
        let mut response = ResponseBuilder::new().description(*says);
        if let Some((kind, schema)) = content {
            response = response.content(*kind, Content::new(Some(schema.clone())));
        }
        operation = operation.response(status.to_string(), response.build());
    }
    let problem = ResponseBuilder::new()
        .description("What is wrong and what would be right")
        .content(
            "application/problem+json",
            Content::new(Some(Ref::from_schema_name("Problem"))),
        )
        .build();
    operation = operation.response("default", problem);
    if route.right != Right::Visitor {
        operation = operation.security(SecurityRequirement::new("token", Vec::<String>::new()));
    }
    operation
}

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        Method::HEAD => HttpMethod::Head,
        _ => HttpMethod::Get,
    }
}
