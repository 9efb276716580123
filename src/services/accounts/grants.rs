//! What rules give people for what their providers say of them. What one was given by hand stays as it is; what a rule gave,
//! a rule takes.
use super::{
    super::{Error, Portal, Result, site},
    identities::Arrival,
};
use crate::{
    domain::{
        access::{Actor, Permitted, Site},
        grants::{self, Grants, Rule, Said},
        ids::{IdentityId, ProjectId, UserId},
        names::{ProviderName, UserName},
        project::Role,
    },
    store::Tx,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is kept of somebody's claims.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub groups: Vec<String>,
    pub entitlements: Vec<String>,
}

impl Kept {
    pub fn of(arrival: &Arrival) -> Result<String> {
        let kept = Self {
            groups: arrival.groups.clone(),
            entitlements: arrival.entitlements.clone(),
        };
        Ok(serde_json::to_string(&kept).map_err(anyhow::Error::from)?)
    }
}

/// Takes down what a provider says now of somebody who is signed in, and gives and takes accordingly.
pub async fn heard(
    portal: &Portal,
    user: UserId,
    identity: IdentityId,
    arrival: &Arrival,
) -> Result<()> {
    let own = Permitted::by_system(user, "sign-in by a provider");
    let mut tx = portal.store.begin().await?;
    tx.set_claims(&own, identity, &Kept::of(arrival)?).await?;
    apply(portal, &mut tx, user).await?;
    Ok(tx.commit().await?)
}

/// Brings what somebody has by rules in line with what all their providers said last.
pub(super) async fn apply(portal: &Portal, tx: &mut Tx, user: UserId) -> Result<()> {
    let rules = &portal.config.sign_in.rules;
    let site = Permitted::by_system(Site, "rules for what providers say");
    let now = portal.clock.now();
    let said = tx.list_claims(user).await?;
    let given = given(rules, &said).0;
    if tx
        .set_administrator_by_rule(&site, user, given.site_administrator)
        .await?
    {
        let what = if given.site_administrator {
            "site administrator"
        } else {
            "no site administrator"
        };
        tx.add_audit(None, "user.rule", &user.to_string(), what, now)
            .await?;
    }
    let had: BTreeMap<ProjectId, Role> = tx
        .list_memberships_by_rule(user)
        .await?
        .into_iter()
        .collect();
    for (project, role) in &given.projects {
        let permit = Permitted::by_system(*project, "rules for what providers say");
        if had.get(project) != Some(role) && tx.grant_member(&permit, user, *role, now).await? {
            let what = format!("{user} {role}, by a rule");
            tx.add_audit(None, "member.put", &project.to_string(), &what, now)
                .await?;
        }
    }
    for project in had
        .keys()
        .filter(|project| !given.projects.contains_key(project))
    {
        let permit = Permitted::by_system(*project, "rules for what providers say");
        tx.revoke_member(&permit, user).await?;
        let what = format!("{user}, by a rule");
        tx.add_audit(None, "member.delete", &project.to_string(), &what, now)
            .await?;
    }
    Ok(())
}

type Claims = (ProviderName, String);

fn given(rules: &[Rule], all: &[Claims]) -> (Grants, Vec<Reason>) {
    let kept: Vec<(&ProviderName, Kept)> = all
        .iter()
        .map(|(provider, claims)| (provider, serde_json::from_str(claims).unwrap_or_default()))
        .collect();
    let said: Vec<Said<'_>> = kept
        .iter()
        .map(|(provider, kept)| Said {
            provider,
            groups: &kept.groups,
            entitlements: &kept.entitlements,
        })
        .collect();
    let (given, why) = grants::grants(rules, &said);
    let why = why.into_iter().map(|(rule, value)| Reason {
        rule,
        value: value.to_owned(),
    });
    (given, why.collect())
}

/// Which rule, from 0, fits for which value.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Reason {
    pub rule: usize,
    pub value: String,
}

/// What the rules would give whoever their provider says this of; for site administrators to try.
pub fn try_rules(
    portal: &Portal,
    actor: &Actor,
    provider: &ProviderName,
    groups: Vec<String>,
    entitlements: Vec<String>,
) -> Result<(Grants, Vec<Reason>)> {
    site::permit(actor)?;
    let kept = Kept {
        groups,
        entitlements,
    };
    let claims = serde_json::to_string(&kept).map_err(anyhow::Error::from)?;
    Ok(given(
        &portal.config.sign_in.rules,
        &[(provider.clone(), claims)],
    ))
}

/// The same for what the providers of a user said last.
pub async fn try_rules_for(
    portal: &Portal,
    actor: &Actor,
    name: &str,
) -> Result<(Grants, Vec<Reason>)> {
    site::permit(actor)?;
    let none = || {
        Error::field(
            "/user",
            "No identity provider knows a user of this name.",
            Some(name),
        )
    };
    let user = UserName::parse(name.trim()).map_err(|_| none())?;
    let user = portal
        .store
        .find_user_by_name(&user)
        .await?
        .ok_or_else(none)?;
    let said = portal.store.list_claims(user.id).await?;
    if said.is_empty() {
        return Err(none());
    }
    Ok(given(&portal.config.sign_in.rules, &said))
}

/// Who has gone, as their provider says.
#[derive(Debug, Clone)]
pub struct Departure {
    pub issuer: String,
    /// Names what says so: once.
    pub jti: String,
    pub until: jiff::Timestamp,
    pub sub: Option<String>,
    pub sid: Option<String>,
}

/// Ends the sessions of whoever has gone; how many.
pub async fn depart(portal: &Portal, gone: &Departure) -> Result<u64> {
    let site = Permitted::by_system(Site, "a logout at a provider");
    let mut tx = portal.store.begin().await?;
    if !tx
        .take_logout_token(&site, &gone.issuer, &gone.jti, gone.until)
        .await?
    {
        return Err(Error::Conflict("This logout token was used before.".into()));
    }
    let ended = tx
        .delete_provider_sessions(
            &site,
            &gone.issuer,
            gone.sub.as_deref(),
            gone.sid.as_deref(),
        )
        .await?;
    tx.commit().await?;
    tracing::info!(issuer = gone.issuer, ended, "a provider ended sessions");
    Ok(ended)
}
