//! Policies and rules.

use super::CompileError;
use crate::control::config::{Config, Isp, Otherwise, RuleAction};
use crate::control::ids::Ids;
use crate::limits::MAX_POLICIES;
use crate::snapshot::{Action, Buckets, Claim, HashFields, Policy, PolicyId, Rule, Steering};

/// The default policy, those that a rule names, and one for each rule that lists ISPs, in the
/// order in which they are named. It depends on nothing of the kernel's and takes tens of
/// milliseconds for each set of ISPs: make it once for a configuration.
///
/// # Errors
/// When a policy or an ISP is not there, or `ids` was not assigned from `config`.
pub fn steering_of(config: &Config, ids: &Ids) -> Result<Steering, CompileError> {
    let mut policies = Policies { config, ids, named: Vec::new(), built: Vec::new() };
    policies.by_name("default")?;
    let mut rules = Vec::new();
    for rule in &config.rules {
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
    config: &'a Config,
    ids: &'a Ids,
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
        let policy = self.config.policies.iter().find(|policy| policy.name == name);
        let policy = policy.ok_or_else(|| CompileError::NoPolicy(name.to_owned()))?;
        let id = self.add(name, policy.isps.as_deref(), policy.hash)?;
        self.named.push((&policy.name, id));
        Ok(id)
    }

    /// `isps`: `None` for all.
    fn add(&mut self, name: &str, isps: Option<&[String]>, hash: HashFields) -> Result<PolicyId, CompileError> {
        let id =
            (self.built.len() < MAX_POLICIES).then_some(self.built.len() as u8).ok_or(CompileError::TooManyPolicies)?;
        let all = &self.config.isps;
        for isp in isps.unwrap_or_default() {
            if !all.iter().any(|known| known.name == *isp) {
                return Err(CompileError::NoIsp(isp.clone()));
            }
        }
        let claim = |isp: &'a Isp| {
            let uplink = self.ids.uplink(&isp.name).ok_or_else(|| CompileError::NoId(isp.name.clone()))?;
            Ok(Claim { uplink, name: &isp.name, weight: isp.weight, tier: isp.tier })
        };
        let listed = all.iter().filter(|isp| isps.is_none_or(|isps| isps.contains(&isp.name)));
        let mut claims = listed.map(claim).collect::<Result<Vec<Claim<'_>>, CompileError>>()?;
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
