//! What a provider says of somebody, read where the settings say that it lies. Pure; everything is bounded.
use super::fault::{Fault, Place, Result};
use crate::{config::ClaimPath, config::Provider, services::accounts::Arrival};
use serde_json::{Map, Value};

/// The claims of one source.
pub type Claims = Map<String, Value>;

/// The most groups or entitlements of one person, and the most bytes of each.
const MOST: usize = 5000;
const LONGEST: usize = 500;

fn find<'v>(claims: &'v Claims, path: &ClaimPath) -> Option<&'v Value> {
    let steps = path.steps();
    let (first, rest) = steps.split_first()?;
    rest.iter()
        .try_fold(claims.get(*first)?, |value, step| value.get(*step))
}

/// The first source that has it wins: userinfo is newer than the ID token.
fn text(sources: &[&Claims], path: &ClaimPath) -> Option<String> {
    let found = sources.iter().find_map(|source| find(source, path))?;
    let text = found.as_str()?;
    (!text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control))
        .then(|| text.to_owned())
}

/// One text or a list of them. Somebody in no group has no such claim at all.
fn texts(sources: &[&Claims], path: &ClaimPath) -> Result<Vec<String>> {
    let Some(found) = sources.iter().find_map(|source| find(source, path)) else {
        return Ok(Vec::new());
    };
    let all: Vec<&Value> = match found {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    if all.len() > MOST {
        return Err(Fault::new(
            Place::Claims,
            format!("it names more than {MOST} groups or entitlements"),
        ));
    }
    let fits = |text: &&str| !text.is_empty() && text.len() <= LONGEST;
    Ok(all
        .into_iter()
        .filter_map(Value::as_str)
        .filter(fits)
        .map(str::to_owned)
        .collect())
}

/// Groups and entitlements.
pub fn memberships(provider: &Provider, sources: &[&Claims]) -> Result<(Vec<String>, Vec<String>)> {
    let paths = &provider.claims;
    Ok((
        texts(sources, &paths.groups)?,
        texts(sources, &paths.entitlements)?,
    ))
}

/// Who has come. `id_token` was verified, and `userinfo` is of the same `sub`.
pub fn arrival(provider: &Provider, id_token: &Claims, userinfo: &Claims) -> Result<Arrival> {
    let sources = [userinfo, id_token];
    let paths = &provider.claims;
    let sub = text(&[id_token], &"sub".into());
    let sub = sub.ok_or_else(|| Fault::new(Place::Claims, "its ID token has no usable `sub`"))?;
    let subject = text(&sources, &paths.id).ok_or_else(|| {
        let path = paths.id.steps().join(".");
        Fault::new(
            Place::Claims,
            format!("it does not say who this is: the claim `{path}` is missing"),
        )
    })?;
    let mail = text(&sources, &paths.mail);
    let display_name = text(&sources, &paths.display_name);
    let local_part = mail.as_deref().and_then(|mail| mail.split('@').next());
    let names = [
        text(&sources, &paths.name),
        local_part.map(str::to_owned),
        display_name.clone(),
    ];
    let (groups, entitlements) = memberships(provider, &sources)?;
    Ok(Arrival {
        provider: provider.name.clone(),
        issuer: provider.issuer.clone(),
        subject,
        sub,
        names: names.into_iter().flatten().collect(),
        display_name: display_name.unwrap_or_default(),
        mail,
        groups,
        entitlements,
        first_login: provider.first_login,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn claims(value: &Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_claim_lies_where_the_path_leads() {
        let all = claims(&json!({
            "a": { "b": ["x", 7, "", "y"] },
            "https://x.example/groups": "one",
            "deep": { "a": 1 },
        }));
        let read = |path: ClaimPath| texts(&[&all], &path).unwrap();
        assert_eq!(read("a.b".into()), ["x", "y"]);
        let steps = ClaimPath::Steps(vec!["https://x.example/groups".into()]);
        assert_eq!(read(steps), ["one"]);
        assert_eq!(read("deep.a.b".into()), Vec::<String>::new());
        assert_eq!(read("none".into()), Vec::<String>::new());
    }

    #[test]
    fn the_newer_source_wins_and_an_odd_one_counts_for_nothing() {
        let (new, old) = (
            claims(&json!({"name": "New"})),
            claims(&json!({"name": "Old", "email": "a@b"})),
        );
        assert_eq!(text(&[&new, &old], &"name".into()).unwrap(), "New");
        assert_eq!(text(&[&new, &old], &"email".into()).unwrap(), "a@b");
        for odd in [json!(""), json!("a\nb"), json!(7), json!("x".repeat(501))] {
            assert_eq!(
                text(&[&claims(&json!({ "name": odd }))], &"name".into()),
                None
            );
        }
    }

    #[test]
    fn groups_are_bounded() {
        let many: Vec<_> = (0..=MOST).map(|n| n.to_string()).collect();
        assert!(texts(&[&claims(&json!({ "groups": many }))], &"groups".into()).is_err());
    }
}
