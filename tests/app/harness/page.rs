//! The page in the window, through WebDriver, in the words that a person sees.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::{Child, Command};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::{SOON, check, until};

/// The network that a laptop is on.
#[derive(Clone)]
pub(super) struct Namespace(Option<String>);

impl Namespace {
    pub(super) fn named(name: Option<&str>) -> Self {
        Self(name.map(str::to_owned))
    }

    /// Whether it is the machine's own.
    pub(super) fn is_own(&self) -> bool {
        self.0.is_none()
    }

    /// A program that runs there.
    pub(super) fn command(&self, program: &OsStr) -> Command {
        let Some(name) = &self.0 else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", name]).arg(program);
        command
    }

    /// Runs something on this thread, there.
    fn within<T>(&self, what: impl FnOnce() -> T) -> T {
        let Some(name) = &self.0 else { return what() };
        let here = Back(File::open("/proc/thread-self/ns/net").unwrap());
        enter(&File::open(format!("/run/netns/{name}")).unwrap());
        let outcome = what();
        drop(here);
        outcome
    }
}

/// The way back to where the thread was.
struct Back(File);

impl Drop for Back {
    fn drop(&mut self) {
        enter(&self.0);
    }
}

fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// The page, for as long as it is looked at.
pub(crate) struct Page {
    name: String,
    namespace: Namespace,
    runtime: Runtime,
    client: Option<Client>,
    driver: Child,
}

impl Page {
    pub(super) fn open(name: &str, mut driver: Command, port: u16, namespace: &Namespace) -> Self {
        let driver = driver.spawn().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut page = Self {
            name: name.to_owned(),
            namespace: namespace.clone(),
            runtime,
            client: None,
            driver,
        };
        let client = until(&format!("{name}'s window can be looked at"), || {
            let session = async {
                let mut builder = ClientBuilder::new(HttpConnector::new());
                builder.capabilities(Map::new());
                let url = format!("http://127.0.0.1:{port}");
                timeout(SOON, builder.connect(&url)).await
            };
            let opened = page.namespace.within(|| page.runtime.block_on(session));
            opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        });
        page.client = Some(client);
        page
    }

    /// Asks the browser; it may be busy, but not for long.
    fn ask<T>(
        &self,
        what: impl AsyncFnOnce(&Client) -> Result<T, fantoccini::error::CmdError>,
    ) -> Result<T, String> {
        let client = self.client.as_ref().expect("taken only when dropped");
        let asked = async { timeout(SOON, what(client)).await };
        let answer = self.namespace.within(|| self.runtime.block_on(asked));
        answer.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// All that can be read.
    pub(crate) fn text(&self) -> String {
        // WebDriver's own idea of an element's text leaves out names that may be cut.
        let read =
            async |client: &Client| client.execute("return document.body.innerText", vec![]).await;
        match self.ask(read) {
            Ok(text) => text.as_str().unwrap_or_default().to_owned(),
            Err(error) => error,
        }
    }

    /// Waits until this can be read.
    pub(crate) fn reads(&self, words: &str) {
        until(&format!("{}'s window reads {words:?}", self.name), || {
            let text = self.text();
            check(text.contains(words), || text)
        });
    }

    /// Waits until this can no longer be read.
    pub(crate) fn no_longer_reads(&self, words: &str) {
        until(&format!("{}'s window no longer reads {words:?}", self.name), || {
            let text = self.text();
            check(!text.contains(words), || text)
        });
    }

    /// Waits for what this XPath finds and does something with it.
    fn with<T>(
        &self,
        xpath: &str,
        what: impl AsyncFn(&Element) -> Result<T, fantoccini::error::CmdError>,
    ) -> T {
        until(&format!("{}'s window has {xpath}", self.name), || {
            self.ask(async |client| what(&client.find(Locator::XPath(xpath)).await?).await)
                .map_err(|error| format!("{error}\n{}", self.text()))
        })
    }

    /// Presses the button, link or entry with this label.
    pub(crate) fn press(&self, label: &str) {
        let named = format!("normalize-space(.)={0} or @aria-label={0}", quoted(label));
        let kinds = "self::button or self::a or @role='menuitem'";
        self.with(&format!("//*[({kinds}) and not(@disabled) and ({named})]"), async |element| {
            element.click().await
        });
    }

    /// Presses what has these words in it: a card, a row.
    pub(crate) fn press_with(&self, words: &str) {
        let xpath = format!("//*[(self::button or self::a) and contains(., {})]", quoted(words));
        self.with(&xpath, async |element| element.click().await);
    }

    /// Presses the button with this label that sends what a form holds.
    pub(crate) fn submit(&self, label: &str) {
        let label = quoted(label);
        let xpath =
            format!("//button[@type='submit' and not(@disabled) and normalize-space(.)={label}]");
        self.with(&xpath, async |element| element.click().await);
    }

    /// Types the code of another device.
    pub(crate) fn fill_code(&self, code: &str) {
        self.with("//input[@autocomplete='one-time-code']", async |field| {
            field.send_keys(code).await
        });
    }

    /// Types into the field with this label, in place of what is there.
    pub(crate) fn fill(&self, label: &str, text: &str) {
        let label = quoted(label);
        let xpath = format!("//input[@id=//label[normalize-space(.)={label}]/@for]");
        self.with(&xpath, async |field| {
            field.clear().await?;
            field.send_keys(text).await
        });
    }

    /// What a script yields.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.ask(async |client| client.execute(script, vec![]).await).unwrap()
    }

    /// Calls a command of the shell as the page itself would; its reply, or why not.
    pub(crate) fn invoke(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        let script = "const [command, given, done] = arguments;
            const told = (ok) => (value) => done({ ok, value: value ?? null });
            window.__TAURI_INTERNALS__.invoke(command, given).then(told(true), told(false));";
        let arguments = vec![json!(command), arguments];
        let mut answer =
            self.ask(async |client| client.execute_async(script, arguments).await).unwrap();
        let value = answer["value"].take();
        if answer["ok"] == true { Ok(value) } else { Err(value) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}'s window reads\n{}", self.name, self.text());
        }
        if let Some(client) = self.client.take() {
            let closing = async { timeout(Duration::from_secs(5), client.close()).await };
            // The app may be gone already.
            drop(self.namespace.within(|| self.runtime.block_on(closing)));
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// A text as XPath writes it.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") }
}
