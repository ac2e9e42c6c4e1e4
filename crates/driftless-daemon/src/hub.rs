//! What all parts of the daemon share: who this is, what the configuration
//! says, which folders run, who is connected, and what happened.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driftless_control::EventLog;
use driftless_control::api::EventBody;
use driftless_core::{DeviceId, FolderId};
use driftless_engine::Event;
use driftless_net::{AllowedDevice, CloseReason, Connection, Net, PairedDevice, PairingFailure};
use driftless_proto::{FolderState, Hello};
use tokio::sync::watch;

use crate::activity::{Activity, Decided};
use crate::api::{Looks, Pairing, forget_sums};
use crate::clock::{minute_of_day, now_ms};
use crate::clones::Clones;
use crate::config::{Config, ConfigError, DeviceConfig, FolderConfig, Settings};
use crate::folder::{Folder, Message, Phase, Shared, View};
use crate::hashing::HashPool;
use crate::home::Home;
use crate::links::Links;
use crate::memory::Memory;
use crate::throttle::Throttle;
use crate::transfer::{Conduct, Underway};
use crate::views::{self, conflict_id};

/// The most offers that are remembered.
const MAX_OFFERS: usize = 256;

/// What all parts of the daemon share.
pub(crate) struct Hub {
    pub(crate) home: Home,
    pub(crate) device: DeviceId,
    pub(crate) net: Net,
    pub(crate) links: Links,
    /// Whether computers share one identity.
    pub(crate) clones: Clones,
    pub(crate) hashing: HashPool,
    /// Whether devices may be looked for, if the configuration says so.
    pub(crate) may_discover: bool,
    /// What leaves, and what comes.
    pub(crate) sending: Throttle,
    pub(crate) receiving: Throttle,
    /// Whom to ask for contents.
    pub(crate) conduct: Conduct,
    /// What comes and goes at this moment.
    pub(crate) underway: Arc<Underway>,
    /// What happened, for people.
    pub(crate) activity: Arc<Activity>,
    /// What is kept for people who look into folders.
    pub(crate) looks: Looks,
    pub(crate) events: Arc<EventLog>,
    settings: watch::Sender<Arc<Settings>>,
    folders: Mutex<BTreeMap<FolderId, Folder>>,
    offers: Mutex<BTreeMap<(FolderId, DeviceId), Offer>>,
    memory: Mutex<Memory>,
    /// The devices that ask to be let in and were told of.
    told_requests: Mutex<BTreeSet<DeviceId>>,
    /// Counts changes of what folders this device shares, or how they stand.
    folder_changes: watch::Sender<u64>,
    /// Counts the moments at which a policy may have something to settle.
    policy_calls: watch::Sender<u64>,
    pairing: watch::Sender<Pairing>,
    shown_states: Mutex<BTreeMap<FolderId, (driftless_control::api::FolderState, Option<String>)>>,
    applying: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("device", &self.device).finish_non_exhaustive()
    }
}

/// A folder that another device shares and this one does not have.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) label: String,
    pub(crate) offered_at_ms: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn new(
        home: Home,
        device: DeviceId,
        net: Net,
        events: Arc<EventLog>,
        settings: Settings,
        may_discover: bool,
    ) -> std::io::Result<Arc<Self>> {
        let memory = Memory::load(&home.state_file());
        let activity = Activity::start(home.activity_file())?;
        Ok(Arc::new(Self {
            home,
            device,
            net,
            links: Links::default(),
            clones: Clones::default(),
            hashing: HashPool::start()?,
            may_discover,
            sending: Throttle::default(),
            receiving: Throttle::default(),
            conduct: Conduct::default(),
            underway: Arc::default(),
            activity,
            looks: Looks::default(),
            events,
            settings: watch::Sender::new(Arc::new(settings)),
            folders: Mutex::default(),
            offers: Mutex::default(),
            memory: Mutex::new(memory),
            told_requests: Mutex::default(),
            folder_changes: watch::Sender::new(0),
            policy_calls: watch::Sender::new(0),
            pairing: watch::Sender::new(Pairing::Closed),
            shown_states: Mutex::default(),
            applying: tokio::sync::Mutex::default(),
        }))
    }

    /// What the configuration says now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Reads the configuration and brings everything in line with it.
    pub(crate) async fn reload(self: &Arc<Self>) -> Result<(), ConfigError> {
        let settings = Config::load(&self.home)?.settings().clone();
        self.apply(settings).await;
        Ok(())
    }

    /// Brings everything in line with `settings`: devices first, so that nobody
    /// who was removed hears any more, then folders.
    pub(crate) async fn apply(self: &Arc<Self>, settings: Settings) {
        let _one_at_a_time = self.applying.lock().await;
        let settings = Arc::new(settings);
        let before = self.settings.send_replace(Arc::clone(&settings));
        self.limit();
        self.allow_devices();
        self.admit_requests(&before);
        if let Err(error) = self.net.set_name(&settings.device.name) {
            tracing::warn!(%error, "other devices see the old name until the next start");
        }
        self.net.set_discovery(self.may_discover && settings.device.discovery);
        let wanted: BTreeMap<_, _> = settings
            .folders
            .iter()
            .filter(|folder| !folder.paused)
            .map(|folder| (folder.id.clone(), folder))
            .collect();
        let closing: Vec<Folder> = {
            let mut folders = lock(&self.folders);
            let gone: Vec<_> = folders
                .iter()
                .filter(|(id, folder)| wanted.get(id).is_none_or(|wanted| !folder.fits(wanted)))
                .map(|(id, _)| id.clone())
                .collect();
            gone.into_iter().filter_map(|id| folders.remove(&id)).collect()
        };
        let closed =
            tokio::task::spawn_blocking(move || closing.into_iter().for_each(Folder::close));
        let _ = closed.await;
        for (id, config) in wanted {
            let running = lock(&self.folders).get(&id).map(|folder| Arc::clone(&folder.shared));
            match running {
                Some(folder) => {
                    let _ = folder.inbox.send(Message::Configured(Box::new(config.clone()))).await;
                }
                None => match Folder::start(Arc::clone(self), config.clone()) {
                    Ok(folder) => drop(lock(&self.folders).insert(id, folder)),
                    Err(error) => {
                        tracing::error!(folder = %id, %error, "the folder cannot be started")
                    }
                },
            }
        }
        lock(&self.offers)
            .retain(|(id, _), _| !settings.folders.iter().any(|folder| folder.id == *id));
        self.folders_changed();
        self.tell(EventBody::ConfigChanged);
    }

    /// Holds contents to the limits that are in force at this time of the day.
    fn limit(&self) {
        let limits = self.settings().limits;
        let in_force = limits.hours.is_none_or(|hours| hours.contain(minute_of_day()));
        self.sending.set(limits.send_bytes_per_s.filter(|_| in_force));
        if self.receiving.set(limits.receive_bytes_per_s.filter(|_| in_force)) {
            self.net.expect_rate(self.receiving.bytes_per_s());
        }
    }

    /// Tells the network who may connect, and where to look.
    fn allow_devices(&self) {
        let settings = self.settings();
        let memory = lock(&self.memory);
        let allowed = |device: &DeviceConfig| AllowedDevice {
            device: device.id,
            static_addresses: device.addresses.clone(),
            last_known: memory.addresses(&device.id),
            paused: device.paused,
        };
        let devices = settings
            .devices
            .iter()
            .filter(|device| device.id != self.device)
            .map(allowed)
            .collect();
        self.net.set_devices(devices);
    }

    /// Closes every folder.
    pub(crate) async fn close(&self) {
        let folders = std::mem::take(&mut *lock(&self.folders));
        let activity = Arc::clone(&self.activity);
        let closing = tokio::task::spawn_blocking(move || {
            folders.into_values().for_each(Folder::close);
            activity.close();
        });
        let _ = closing.await;
    }

    /// The running folder.
    pub(crate) fn folder(&self, id: &FolderId) -> Option<(Arc<Shared>, watch::Receiver<View>)> {
        lock(&self.folders).get(id).map(|folder| (Arc::clone(&folder.shared), folder.view.clone()))
    }

    /// The open folders that are shared with a device, and the number of their opening.
    pub(crate) fn folders_with(&self, device: DeviceId) -> Vec<(FolderConfig, Arc<Shared>, u64)> {
        let settings = self.settings();
        let folders = lock(&self.folders);
        let shared = settings
            .folders
            .iter()
            .filter(|folder| folder.devices.contains(&device) && !folder.paused);
        shared
            .filter_map(|config| {
                let folder = folders.get(&config.id)?;
                let Phase::Open(opening) = folder.view.borrow().phase else { return None };
                Some((config.clone(), Arc::clone(&folder.shared), opening))
            })
            .collect()
    }

    /// The open folder, if it is shared with the device.
    pub(crate) fn folder_with(&self, id: &FolderId, device: DeviceId) -> Option<Arc<Shared>> {
        self.folders_with(device)
            .into_iter()
            .find(|(config, ..)| config.id == *id)
            .map(|(_, folder, _)| folder)
    }

    /// Wakes every session: what this device shares, or how it stands, changed.
    pub(crate) fn folders_changed(&self) {
        self.folder_changes.send_modify(|count| *count += 1);
    }

    /// Hears when what this device shares changes.
    pub(crate) fn folder_changes(&self) -> watch::Receiver<u64> {
        self.folder_changes.subscribe()
    }

    /// A folder with open conflicts was told something.
    pub(crate) fn call_policies(&self) {
        self.policy_calls.send_modify(|count| *count += 1);
    }

    /// Hears when policies may have something to settle.
    pub(crate) fn policy_calls(&self) -> watch::Receiver<u64> {
        self.policy_calls.subscribe()
    }

    /// Publishes a folder's state if it differs from what was last published.
    pub(crate) fn folder_state(&self, id: &FolderId) {
        let settings = self.settings();
        let Some(config) = settings.folders.iter().find(|folder| folder.id == *id) else { return };
        let Some(view) = lock(&self.folders).get(id).map(|folder| folder.view.borrow().clone())
        else {
            return;
        };
        let (state, reason) = views::state_of(config, Some(&view));
        let mut shown = lock(&self.shown_states);
        if shown.get(id).is_none_or(|known| *known != (state, reason.clone())) {
            shown.insert(id.clone(), (state, reason.clone()));
            self.tell(EventBody::FolderState { folder: id.to_string(), state, reason });
        }
    }

    /// Publishes what happened in a folder.
    pub(crate) fn folder_event(&self, id: &FolderId, event: Event) {
        if let Event::ConflictResolved { path, settled: Some(settled) } = &event {
            let decided = Decided::new(id.as_str(), path.as_str(), settled);
            self.activity.decided(conflict_id(id, path), decided);
        }
        if let Some(body) = views::event_of(self, id, event) {
            self.tell(body);
        }
    }

    /// Tells whoever listens, and remembers it.
    pub(crate) fn tell(&self, body: EventBody) {
        let now_ms = now_ms();
        self.activity.record(now_ms, &body);
        self.events.publish(now_ms, body);
    }

    /// What people call a device.
    pub(crate) fn name_of(&self, device: &DeviceId) -> String {
        let settings = self.settings();
        if *device == self.device {
            return settings.device.name.clone();
        }
        let known = settings.devices.iter().find(|known| known.id == *device);
        known.map_or_else(|| device.short(), |known| known.name.clone())
    }

    pub(crate) fn device_connected(&self, connection: &Connection) {
        let device = connection.device();
        let address = connection.remote_address();
        self.remember_address(device, address);
        self.is_trusted();
        let (name, address) = (self.name_of(&device), address.to_string());
        tracing::info!(device = %device.short(), name, address, "connected");
        self.tell(EventBody::DeviceConnected { device: device.to_string(), name, address });
    }

    pub(crate) fn device_disconnected(&self, device: DeviceId, reason: CloseReason) {
        lock(&self.memory).seen(device, now_ms());
        let name = self.name_of(&device);
        tracing::info!(device = %device.short(), name, %reason, "disconnected");
        let (device, reason) = (device.to_string(), Some(reason.to_string()));
        self.tell(EventBody::DeviceDisconnected { device, name, reason });
    }

    /// The device has said what it is called; used until a person names it.
    pub(crate) fn device_greeted(&self, device: DeviceId, hello: &Hello) {
        tracing::debug!(device = %device.short(), name = hello.device_name, program = hello.program, "greeted");
    }

    pub(crate) fn remember_address(&self, device: DeviceId, address: SocketAddr) {
        let mut memory = lock(&self.memory);
        memory.seen(device, now_ms());
        if memory.remember(device, address) {
            memory.save(&self.home.state_file());
        }
    }

    /// Changes what is remembered across restarts, and writes it down if `change` says so.
    pub(crate) fn remember<T>(&self, change: impl FnOnce(&mut Memory) -> (T, bool)) -> T {
        let mut memory = lock(&self.memory);
        let (outcome, changed) = change(&mut memory);
        if changed {
            memory.save(&self.home.state_file());
        }
        outcome
    }

    /// Notes of whom was told that they ask; returns of whom before.
    pub(crate) fn replace_told(&self, asking: BTreeSet<DeviceId>) -> BTreeSet<DeviceId> {
        std::mem::replace(&mut *lock(&self.told_requests), asking)
    }

    /// When the device was last connected, in milliseconds since 1970.
    pub(crate) fn last_seen_ms(&self, device: &DeviceId) -> Option<u64> {
        lock(&self.memory).last_seen_ms(device)
    }

    /// Writes down what is worth remembering across restarts.
    pub(crate) fn save_memory(&self) {
        lock(&self.memory).save(&self.home.state_file());
    }

    /// Takes note of the folders that a device shares and this one lacks.
    pub(crate) fn offered(&self, device: DeviceId, theirs: &BTreeMap<FolderId, FolderState>) {
        let settings = self.settings();
        let mut offers = lock(&self.offers);
        offers.retain(|(id, by), _| *by != device || theirs.contains_key(id));
        for (id, state) in theirs {
            let is_known = settings
                .folders
                .iter()
                .any(|folder| folder.id == *id && folder.devices.contains(&device));
            let is_declined = lock(&self.memory).is_declined(id, &device);
            if is_known || is_declined || offers.len() >= MAX_OFFERS {
                continue;
            }
            if let Entry::Vacant(place) = offers.entry((id.clone(), device)) {
                let offer = Offer { label: state.label.clone(), offered_at_ms: now_ms() };
                let view = views::offer_of(self, id, device, &offer);
                place.insert(offer);
                self.tell(EventBody::Offer { offer: view });
            }
        }
    }

    /// The folders that other devices offer.
    pub(crate) fn offers(&self) -> Vec<(FolderId, DeviceId, Offer)> {
        lock(&self.offers)
            .iter()
            .map(|((id, device), offer)| (id.clone(), *device, offer.clone()))
            .collect()
    }

    /// Forgets the offers of a folder and does not take note of them again.
    pub(crate) fn decline(&self, id: &FolderId) {
        let declined: Vec<_> =
            lock(&self.offers).keys().filter(|(offered, _)| offered == id).cloned().collect();
        let mut memory = lock(&self.memory);
        for (id, device) in declined {
            memory.decline(&id, &device);
            lock(&self.offers).remove(&(id, device));
        }
        memory.save(&self.home.state_file());
    }

    /// Someone entered the code shown here, or failed to.
    pub(crate) async fn paired(self: &Arc<Self>, result: Result<PairedDevice, PairingFailure>) {
        if let Ok(paired) = &result
            && let Err(error) = self.trust(paired).await
        {
            tracing::error!(%error, "the paired device cannot be written to the configuration");
        }
        self.pairing.send_replace(Pairing::Ended(result));
    }

    /// How the code that is shown here stands.
    pub(crate) fn pairing(&self) -> &watch::Sender<Pairing> {
        &self.pairing
    }

    /// Writes a device that proved itself to the configuration.
    pub(crate) async fn trust(
        self: &Arc<Self>,
        paired: &PairedDevice,
    ) -> Result<(), crate::config::EditError> {
        self.remember_address(paired.device, paired.address);
        let device = DeviceConfig::new(paired.device, Some(&paired.name));
        Config::edit(&self.home, |config| {
            if config.device(&paired.device).is_some() {
                Ok(())
            } else {
                add_with_free_name(config, device)
            }
        })?;
        self.reload().await.map_err(crate::config::EditError::from)?;
        let (device, name) = (paired.device.to_string(), self.name_of(&paired.device));
        self.tell(EventBody::Paired { device, name });
        Ok(())
    }

    /// Sends a tick to the folders that want one.
    pub(crate) fn tick(&self) {
        let now = now_ms();
        self.calm_clones();
        self.limit();
        for id in self.looks.expire() {
            if let Some((folder, _)) = self.folder(&id) {
                let _ = folder.inbox.try_send(forget_sums());
            }
        }
        for folder in lock(&self.folders).values() {
            let at = folder.shared.tick_at_ms.load(std::sync::atomic::Ordering::Relaxed);
            if at <= now {
                let _ = folder.shared.inbox.try_send(Message::Tick);
            }
        }
    }
}

/// Adds a device; a name that is taken gets a number.
fn add_with_free_name(
    config: &mut Config,
    mut device: DeviceConfig,
) -> Result<(), crate::config::EditError> {
    let name = device.name.clone();
    let mut number = 2;
    while config.devices().iter().any(|known| known.name == device.name) {
        device.name = format!("{name} {number}");
        number += 1;
    }
    config.add_device(&device)
}
