//! The administrator of a Keycloak: people and clients for one test each, by its REST interface.
use crate::variable;
use reqwest::{Method, Response};
use serde_json::{Value, json};

pub struct Keycloak {
    http: reqwest::Client,
    base: String,
    realm: String,
}

pub struct Person {
    id: String,
    /// The password too.
    pub name: String,
}

impl Keycloak {
    pub fn connect() -> Self {
        let base = variable("TOURMALINE_TEST_KEYCLOAK_URL");
        let issuer = variable("TOURMALINE_TEST_OIDC_ISSUER");
        let realm = issuer.rsplit('/').next().unwrap().to_owned();
        Self {
            http: reqwest::Client::new(),
            base,
            realm,
        }
    }

    /// It lives for a minute.
    async fn token(&self) -> String {
        let address = format!("{}/realms/master/protocol/openid-connect/token", self.base);
        let form = [
            ("grant_type", "password".to_owned()),
            ("client_id", "admin-cli".to_owned()),
            ("username", variable("TOURMALINE_TEST_KEYCLOAK_ADMIN")),
            (
                "password",
                variable("TOURMALINE_TEST_KEYCLOAK_ADMIN_PASSWORD"),
            ),
        ];
        let answer = self.http.post(address).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let address = format!("{}/admin/realms/{}{path}", self.base, self.realm);
        let request = self
            .http
            .request(method, address)
            .bearer_auth(self.token().await);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer
    }

    async fn read(&self, path: &str) -> Value {
        self.call(Method::GET, path, None)
            .await
            .json()
            .await
            .unwrap()
    }

    /// Somebody new in a group.
    pub async fn person(&self, group: &str) -> Person {
        let name = format!("t{}", uuid::Uuid::new_v4().simple());
        let person = json!({
            "username": name, "enabled": true, "emailVerified": true,
            "email": format!("{name}@example.org"), "firstName": "Test", "lastName": "Person",
            "credentials": [{ "type": "password", "value": name, "temporary": false }],
        });
        self.call(Method::POST, "/users", Some(person)).await;
        let found = self
            .read(&format!("/users?exact=true&username={name}"))
            .await;
        let id = found[0]["id"].as_str().unwrap().to_owned();
        let person = Person { id, name };
        let group = self.group(group).await;
        self.call(
            Method::PUT,
            &format!("/users/{}/groups/{group}", person.id),
            None,
        )
        .await;
        person
    }

    async fn group(&self, path: &str) -> String {
        let found = self.read(&format!("/group-by-path{path}")).await;
        found["id"].as_str().unwrap().to_owned()
    }

    pub async fn take_out(&self, person: &Person, group: &str) {
        let group = self.group(group).await;
        self.call(
            Method::DELETE,
            &format!("/users/{}/groups/{group}", person.id),
            None,
        )
        .await;
    }

    pub async fn disable(&self, person: &Person) {
        let path = format!("/users/{}", person.id);
        let mut whole = self.read(&path).await;
        whole["enabled"] = json!(false);
        self.call(Method::PUT, &path, Some(whole)).await;
    }

    /// Ends a person's sessions, which sends logout tokens.
    pub async fn end_sessions(&self, person: &Person) {
        self.call(Method::POST, &format!("/users/{}/logout", person.id), None)
            .await;
    }

    pub async fn forget(&self, person: &Person) {
        self.call(Method::DELETE, &format!("/users/{}", person.id), None)
            .await;
    }

    /// A client like the portal's, whose logout tokens go to an address.
    pub async fn client(&self, name: &str, logout: &str) {
        let client = json!({
            "clientId": name, "secret": variable("TOURMALINE_TEST_OIDC_CLIENT_SECRET"), "publicClient": false,
            "standardFlowEnabled": true, "redirectUris": ["http://127.0.0.1/*"],
            "defaultClientScopes": ["basic", "profile", "email"],
            "attributes": {
                "backchannel.logout.url": logout, "backchannel.logout.session.required": "true",
                "post.logout.redirect.uris": "+", "pkce.code.challenge.method": "S256",
            },
        });
        self.call(Method::POST, "/clients", Some(client)).await;
    }

    pub async fn forget_client(&self, name: &str) {
        let found = self.read(&format!("/clients?clientId={name}")).await;
        let id = found[0]["id"].as_str().unwrap();
        self.call(Method::DELETE, &format!("/clients/{id}"), None)
            .await;
    }
}
