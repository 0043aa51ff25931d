//! All sources looked at together: a prefix that moves from one ISP to another, or that two exchange, is
//! where its source shows it.

use super::{Config, Isp, Moment, News, Prefix, Prefixes, Sight, Turn, alone, part_of, tell};

/// An ISP whose source shows a prefix that nobody else's does.
struct Claim<'a> {
    isp: &'a str,
    external: Prefix,
}

impl Prefixes {
    /// Takes what is seen at all sources of `config`, as it is written. What an ISP was seen to have before blocks
    /// no other one whose source shows it now, or two that exchange their prefixes would block each other for ever.
    pub fn see_all(&mut self, config: &Config, sights: Vec<(&Isp, Sight)>, now: Moment) -> Vec<News> {
        let claims = self.claims(config, &sights);
        let mut news = Vec::new();
        for (isp, sight) in sights {
            let is_claim = claims.iter().any(|claim| claim.isp == isp.name);
            let others = if is_claim { Vec::new() } else { self.others(config, &isp.name).collect() };
            news.extend(self.take(config, isp, sight, others, now));
        }
        news.extend(claims.iter().flat_map(|claim| self.give_up(config, claim, now)));
        news
    }

    /// No two of them overlap, nor does one of them what an ISP keeps that shows no prefix at the moment.
    fn claims<'a>(&self, config: &Config, sights: &[(&'a Isp, Sight)]) -> Vec<Claim<'a>> {
        let firm = |isp: &Isp, sight: &Sight| match sight {
            Sight::Prefix(delegated) => part_of(*delegated, isp.source.as_ref()?.part).ok(),
            Sight::Nothing(_) | Sight::Unfit(_) => Some(self.lives.get(&isp.name)?.current?.external),
        };
        let firm: Vec<_> = sights.iter().map(|(isp, sight)| (isp.name.as_str(), firm(isp, sight))).collect();
        let claim = |((isp, sight), (name, external)): (&(&'a Isp, Sight), &(&'a str, Option<Prefix>))| {
            let external = (*external).filter(|_| matches!(sight, Sight::Prefix(_)))?;
            let others = firm.iter().filter(|(other, _)| other != name);
            let others = others.filter_map(|(other, external)| Some(((*external)?, (*other).to_owned())));
            let is_alone = alone(external, config, Self::written(config, &isp.name).chain(others)).is_ok();
            is_alone.then_some(Claim { isp: name, external })
        };
        sights.iter().zip(&firm).filter_map(claim).collect()
    }

    /// Takes from all others what overlaps `claim`, their grace included: no address has two ISPs.
    fn give_up(&mut self, config: &Config, claim: &Claim<'_>, now: Moment) -> Vec<News> {
        let mut news = Vec::new();
        for (isp, source) in config.isps.iter().filter_map(|isp| Some((isp, isp.source.as_ref()?))) {
            let Some(life) = self.lives.get_mut(&isp.name).filter(|_| isp.name != claim.isp) else { continue };
            if life.current.is_some_and(|current| current.external.overlaps(claim.external)) {
                news.extend(life.change(isp, source, None, now));
            }
            let lost = life.former.extract_if(.., |former| former.external.overlaps(claim.external));
            news.extend(lost.map(|former| tell(isp, Turn::Retired(former.external))));
        }
        news
    }
}
