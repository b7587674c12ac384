//! What the actions of a server work on. It knows nothing of states.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::sync::Arc;
use core::net::{IpAddr, Ipv6Addr};
use core::num::NonZero;

use super::table::{Action, Internal};
use super::{ChannelId, ChannelStats, NotAdmitted, ServerInput, ServerOutput, ServerStats};
use crate::channel::Leave;
use crate::config::ServerConfig;
use crate::origins;
use crate::peer::Peer;
use crate::time::Moment;

#[derive(Debug)]
pub(super) struct Registry {
    config: Arc<ServerConfig>,
    name: Cow<'static, str>,
    /// The open channels.
    channels: BTreeSet<ChannelId>,
    /// Those that count for a host.
    counted: BTreeMap<ChannelId, IpAddr>,
    /// How many channels each host has open; kept only while there is a limit.
    hosts: BTreeMap<IpAddr, u32>,
    stats: ServerStats,
    now: Moment,
    drain_deadline: Option<Moment>,
    /// `drain_deadline` has passed.
    is_drain_over: bool,
    outputs: VecDeque<ServerOutput>,
}

impl Registry {
    pub(super) fn new(name: Cow<'static, str>, config: Arc<ServerConfig>) -> Self {
        Self {
            config,
            name,
            channels: BTreeSet::new(),
            counted: BTreeMap::new(),
            hosts: BTreeMap::new(),
            stats: ServerStats::default(),
            now: Moment::START,
            drain_deadline: None,
            is_drain_over: false,
            outputs: VecDeque::new(),
        }
    }

    /// Goes to `at`, unless it is past; returns the moment that counts.
    pub(super) fn advance(&mut self, at: Moment) -> Moment {
        self.now = self.now.max(at.min(Moment::LAST));
        self.now
    }

    /// Whether the channel is open.
    pub(super) fn is_open(&self, channel: ChannelId) -> bool {
        self.channels.contains(&channel)
    }

    /// Does what the table says; returns an internal event where the way depends on data.
    pub(super) fn act(&mut self, action: Action, input: &ServerInput) -> Option<Internal> {
        match (action, input) {
            (Action::CheckPeer, ServerInput::Connected { peername, .. }) => {
                return Some(turned_away(self.would_turn_away(peername), Internal::Admitted));
            }
            (Action::CheckProxy, ServerInput::ProxyConnected { peername, .. }) => {
                return Some(turned_away(self.would_turn_away_proxy(peername), Internal::ProxyAdmitted));
            }
            (Action::OpenChannel, ServerInput::Connected { peername, sockname }) => {
                self.open_channel(peername, sockname, self.counted_host(peername));
            }
            (Action::OpenUnnamed, ServerInput::ProxyConnected { peername, sockname }) => {
                self.open_channel(peername, sockname, None);
            }
            (
                Action::TurnAway(reason),
                ServerInput::Connected { peername, .. } | ServerInput::ProxyConnected { peername, .. },
            ) => {
                self.turn_away(peername, reason);
            }
            (Action::CheckNamedPeer, ServerInput::PeerNamed { channel, peername }) => {
                return Some(self.check_named_peer(*channel, peername));
            }
            (Action::MoveChannel, ServerInput::PeerNamed { channel, peername }) => {
                self.move_channel(*channel, peername);
            }
            (Action::TurnNamedAway(reason), ServerInput::PeerNamed { peername, .. }) => {
                self.turn_away(peername, reason);
            }
            (Action::ForgetChannel, ServerInput::HttpChannelClosed { channel, stats }) => {
                self.forget_channel(*channel, stats);
                return self.last_closed();
            }
            (Action::BeginDrain, _) => self.begin_drain(),
            (Action::CountChannels, _) => return self.last_closed(),
            (Action::CheckDeadline, _) => {
                let is_over = self.drain_deadline.is_some_and(|deadline| deadline <= self.now);
                return is_over.then_some(Internal::DrainOver);
            }
            (Action::DropChannels, _) => {
                self.drain_deadline = None;
                self.is_drain_over = true;
                self.outputs.push_back(ServerOutput::DropChannels);
            }
            (Action::ReportGone, _) => {
                self.drain_deadline = None;
                self.outputs.push_back(ServerOutput::Gone);
            }
            (
                Action::CheckPeer
                | Action::CheckProxy
                | Action::OpenChannel
                | Action::OpenUnnamed
                | Action::TurnAway(_)
                | Action::CheckNamedPeer
                | Action::MoveChannel
                | Action::TurnNamedAway(_)
                | Action::ForgetChannel,
                _,
            ) => {
                debug_assert!(false, "{action:?} takes the data of another input than its row is for");
            }
        }
        None
    }

    pub(super) fn next_output(&mut self) -> Option<ServerOutput> {
        self.outputs.pop_front()
    }

    pub(super) const fn deadline(&self) -> Option<Moment> {
        self.drain_deadline
    }

    pub(super) const fn stats(&self) -> ServerStats {
        self.stats
    }

    pub(super) const fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The limit of the peer is checked before that of the server, so that a peer at its limit causes no eviction.
    pub(super) fn would_turn_away(&self, peername: &Peer) -> Option<NotAdmitted> {
        let is_full = || host(peername).is_some_and(|host| self.is_host_full(host));
        match self.would_turn_away_proxy(peername) {
            None | Some(NotAdmitted::Full) if is_full() => Some(NotAdmitted::Peer),
            verdict => verdict,
        }
    }

    /// Who is behind the proxy is not known yet.
    pub(super) fn would_turn_away_proxy(&self, peername: &Peer) -> Option<NotAdmitted> {
        if self.is_drain_over {
            Some(NotAdmitted::Draining)
        } else if !origins::allows(&self.config.origins, peername) {
            Some(NotAdmitted::Origin)
        } else if is_reached(self.config.max_connections, self.stats.n_channels) {
            Some(NotAdmitted::Full)
        } else {
            None
        }
    }

    /// The connection has its place among all already, and counts for one peer only.
    fn check_named_peer(&self, channel: ChannelId, peername: &Peer) -> Internal {
        let host = host(peername);
        let is_counted = host.is_some() && self.counted.get(&channel) == host.as_ref();
        if !origins::allows(&self.config.origins, peername) {
            Internal::NamedForeign
        } else if !is_counted && host.is_some_and(|host| self.is_host_full(host)) {
            Internal::NamedFull
        } else {
            Internal::NamedAdmitted
        }
    }

    fn move_channel(&mut self, channel: ChannelId, peername: &Peer) {
        let before = self.counted.remove(&channel);
        self.count_for(channel, self.counted_host(peername));
        self.leave_host(before);
        self.outputs.push_back(ServerOutput::PeerAdmitted { id: channel });
    }

    /// The host that a channel of this peer counts for.
    fn counted_host(&self, peername: &Peer) -> Option<IpAddr> {
        host(peername).filter(|_| self.config.max_connections_per_peer != 0)
    }

    fn is_host_full(&self, host: IpAddr) -> bool {
        let open = self.hosts.get(&host).copied().unwrap_or(0);
        is_reached(self.config.max_connections_per_peer, open.into())
    }

    fn open_channel(&mut self, peername: &Peer, sockname: &Peer, host: Option<IpAddr>) {
        // The count of opened channels never falls, so a number or name is never given twice.
        let id = ChannelId(NonZero::<u64>::MIN.saturating_add(self.stats.opened));
        self.stats.opened += 1;
        self.stats.n_channels += 1;
        self.stats.most_channels = self.stats.most_channels.max(self.stats.n_channels);
        self.channels.insert(id);
        self.count_for(id, host);
        let name = format!("{}.clisrv_{id}", self.name);
        let (peername, sockname) = (peername.clone(), sockname.clone());
        self.outputs.push_back(ServerOutput::HttpChannel { id, name, peername, sockname });
    }

    fn turn_away(&mut self, peername: &Peer, reason: NotAdmitted) {
        *match reason {
            NotAdmitted::Origin => &mut self.stats.not_admitted_origin,
            NotAdmitted::Full => &mut self.stats.not_admitted_full,
            NotAdmitted::Peer => &mut self.stats.not_admitted_peer,
            NotAdmitted::Draining => &mut self.stats.not_admitted_draining,
        } += 1;
        self.outputs.push_back(ServerOutput::NotAdmitted { peername: peername.clone(), reason });
    }

    fn forget_channel(&mut self, channel: ChannelId, stats: &ChannelStats) {
        self.channels.remove(&channel);
        let host = self.counted.remove(&channel);
        self.leave_host(host);
        self.stats.n_channels -= 1;
        self.stats.closed += 1;
        self.stats.channels.merge(stats);
    }

    fn count_for(&mut self, channel: ChannelId, host: Option<IpAddr>) {
        if let Some(host) = host {
            *self.hosts.entry(host).or_insert(0) += 1;
            self.counted.insert(channel, host);
        }
    }

    fn leave_host(&mut self, host: Option<IpAddr>) {
        let Some(host) = host else { return };
        if let Some(open) = self.hosts.get_mut(&host) {
            *open -= 1;
            if *open == 0 {
                self.hosts.remove(&host);
            }
        }
    }

    fn begin_drain(&mut self) {
        // The responses that channels make at their own deadline need this time at least to be sent.
        let grace = self.config.channel.drain_grace.map_or(0, millis).max(millis(Leave::LEAST_GRACE));
        self.drain_deadline = self
            .config
            .drain_deadline
            .filter(|deadline| !deadline.is_zero())
            .map(|time| self.now.saturating_add_millis(millis(time)).saturating_add_millis(grace))
            .filter(|deadline| *deadline != Moment::NEVER);
        self.outputs.push_back(ServerOutput::GoOut);
    }

    fn last_closed(&self) -> Option<Internal> {
        self.channels.is_empty().then_some(Internal::LastClosed)
    }
}

/// What a verdict on a connection raises.
fn turned_away(verdict: Option<NotAdmitted>, admitted: Internal) -> Internal {
    match verdict {
        Some(NotAdmitted::Origin) => Internal::OriginForeign,
        Some(NotAdmitted::Peer) => Internal::PeerFull,
        Some(NotAdmitted::Full) => Internal::ServerFull,
        Some(NotAdmitted::Draining) => Internal::TooLate,
        None => admitted,
    }
}

fn millis(time: core::time::Duration) -> u64 {
    Moment::from_duration(time).as_millis()
}

/// Whether `open` is at a limit; 0 is none.
fn is_reached(limit: u32, open: u64) -> bool {
    limit != 0 && open >= limit.into()
}

/// What counts as one peer: an IPv4 address, or the /64 of an IPv6 address, which a single host can have to itself
/// (RFC 6177 section 2). `None` for Unix sockets, which are not told apart.
fn host(peername: &Peer) -> Option<IpAddr> {
    const NETWORK: u128 = !(u64::MAX as u128);
    Some(match peername.ip()? {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK).into(),
        v4 @ IpAddr::V4(_) => v4,
    })
}
