//! Policies and rules.

use super::CompileError;
use super::site::Site;
use crate::control::config::{Otherwise, RuleAction};
use crate::limits::MAX_POLICIES;
use crate::snapshot::{Action, Buckets, Claim, HashFields, Policy, PolicyId, Rule, Steering};

/// The default policy, those that a rule names, and one for each rule that lists ISPs, in the
/// order in which they are named.
pub fn steering(site: &Site<'_>) -> Result<Steering, CompileError> {
    let mut policies = Policies { site, named: Vec::new(), built: Vec::new() };
    policies.by_name("default")?;
    let mut rules = Vec::new();
    for rule in &site.config.rules {
        let action = match &rule.action {
            RuleAction::Drop => Action::Drop,
            RuleAction::Policy(name, otherwise) => chosen_by(policies.by_name(name)?, *otherwise),
            RuleAction::Isps(isps, otherwise) => {
                chosen_by(policies.add(&rule.name, Some(isps), HashFields::default())?, *otherwise)
            }
        };
        rules.push(Rule { name: rule.name.as_str().into(), matches: rule.matches.clone(), action });
    }
    Ok(Steering { policies: policies.built.into(), rules: rules.into() })
}

fn chosen_by(policy: PolicyId, otherwise: Otherwise) -> Action {
    Action::Policy { policy, or_default: otherwise == Otherwise::Default }
}

struct Policies<'a> {
    site: &'a Site<'a>,
    /// Those of the configuration that are in use.
    named: Vec<(&'a str, PolicyId)>,
    /// By id.
    built: Vec<Policy>,
}

impl<'a> Policies<'a> {
    fn by_name(&mut self, name: &str) -> Result<PolicyId, CompileError> {
        if let Some((_, id)) = self.named.iter().find(|(known, _)| *known == name) {
            return Ok(*id);
        }
        let policy = self.site.config.policies.iter().find(|policy| policy.name == name);
        let policy = policy.ok_or_else(|| CompileError::NoPolicy(name.to_owned()))?;
        let id = self.add(name, policy.isps.as_deref(), policy.hash)?;
        self.named.push((&policy.name, id));
        Ok(id)
    }

    /// `isps`: `None` for all.
    fn add(&mut self, name: &str, isps: Option<&[String]>, hash: HashFields) -> Result<PolicyId, CompileError> {
        let id =
            (self.built.len() < MAX_POLICIES).then_some(self.built.len() as u8).ok_or(CompileError::TooManyPolicies)?;
        let all = &self.site.isps;
        for isp in isps.unwrap_or_default() {
            if !all.iter().any(|known| known.config.name == *isp) {
                return Err(CompileError::NoIsp(isp.clone()));
            }
        }
        let mut claims: Vec<Claim<'_>> = all
            .iter()
            .filter(|isp| isps.is_none_or(|isps| isps.contains(&isp.config.name)))
            .map(|isp| Claim {
                uplink: isp.uplink,
                name: &isp.config.name,
                weight: isp.config.weight,
                tier: isp.config.tier,
            })
            .collect();
        // Where every listed ISP is a last resort, none is more of one than the others.
        if isps.is_some() && claims.iter().all(|claim| claim.weight == 0) {
            claims.iter_mut().for_each(|claim| claim.weight = 1);
        }
        claims.sort_by_key(|claim| claim.name);
        let members = claims.iter().fold(0, |members, claim| members | 1 << claim.uplink.0);
        let same = self.built.iter().find(|policy| policy.members == members);
        // Weights and tiers are the ISPs' own: equal members have equal tables.
        let buckets = same.map_or_else(|| Buckets::build(&claims), |policy| Ok(policy.buckets.clone()))?;
        self.built.push(Policy { name: name.into(), hash, buckets, members });
        Ok(PolicyId(id))
    }
}
