//! The shell around the page: what the page may do, the panel, closing, launching twice, and the daemon.

use std::fs;
use std::net::TcpListener;

use driftless_control::Client;
use driftless_control::api::{Shutdown, StatusQuery};
use driftless_daemon::RunOptions;
use driftless_daemon::home::Home;
use serde_json::json;
use tokio::sync::watch;

use crate::harness::{Laptop, Page, Scratch, can_show_windows, check, until};

const CALM: &str = "No folders yet · No other device yet";
const GONE: &str = "driftless is not running in the background";

/// A laptop on which driftless was started for the first time and looked around in.
fn laptop(scratch: &Scratch) -> (Laptop, Page) {
    let mut laptop = Laptop::new(scratch, "ada", None);
    laptop.start(&[]);
    let page = laptop.page();
    page.press("Continue");
    page.press("Look around first");
    page.reads("No folders yet");
    (laptop, page)
}

/// Whatever gets into the page gets no further than the page's own commands.
#[test]
fn the_page_reaches_the_bridge_and_nothing_else() {
    if !can_show_windows() {
        return;
    }
    let scratch = Scratch::new();
    let (laptop, page) = laptop(&scratch);

    let info = page.invoke("call", json!({ "method": "app.info", "params": {} })).unwrap();
    assert_eq!(info["data_dir"], laptop.home().to_str().unwrap());
    for method in ["shutdown", "subscribe", "app.unknown", "unknown"] {
        let call = json!({ "method": method, "params": {} });
        page.invoke("call", call).expect_err(method);
    }
    for policies in [
        json!({ "folder": "f", "otherwise": "command:/bin/sh" }),
        json!({ "folder": "f", "rules": [{ "pattern": "*", "policy": "command:/bin/sh" }] }),
    ] {
        let call = json!({ "method": "policy.set", "params": policies });
        let refused = page.invoke("call", call).unwrap_err();
        assert_eq!(refused["code"], "refused", "{refused}");
    }
    for command in [
        "plugin:app|version",
        "plugin:autostart|enable",
        "plugin:dialog|open",
        "plugin:dialog|save",
        "plugin:event|emit",
        "plugin:fs|read_text_file",
        "plugin:menu|new",
        "plugin:opener|open_path",
        "plugin:path|resolve_directory",
        "plugin:tray|new",
        "plugin:webview|create_webview_window",
        "plugin:window-state|save_window_state",
        "plugin:window|close",
        "plugin:window|set_title",
        "no_such_command",
    ] {
        let refused = page.invoke(command, json!({})).expect_err(command);
        let said = refused.as_str().unwrap_or_default();
        assert!(said.contains("not allowed") || said.contains("not found"), "{command}: {said}");
    }
    for path in ["/etc/passwd", laptop.home().join("device.pem").to_str().unwrap()] {
        let request = json!({ "request": { "kind": "path", "path": path } });
        let refused = page.invoke("open", request).unwrap_err();
        assert!(refused["message"].as_str().unwrap().contains("in no folder"), "{refused}");
    }
    let export =
        json!({ "method": "app.export-logs", "params": { "path": laptop.directory("x") } });
    assert_eq!(page.invoke("call", export).unwrap_err()["code"], "refused");

    // Nothing is loaded from elsewhere, no script is added, and the window stays where it is.
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", elsewhere.local_addr().unwrap());
    page.run(&format!(
        "fetch('{url}').catch(() => 0);
         new Image().src = '{url}';
         navigator.sendBeacon('{url}', 'x');
         for (const [tag, key] of [['script', 'src'], ['iframe', 'src'], ['object', 'data']]) {{
             const added = document.createElement(tag);
             added[key] = '{url}';
             document.body.append(added);
         }}
         const inline = document.createElement('script');
         inline.textContent = 'window.injected = true';
         document.body.append(inline);
         const opened = window.open('{url}');
         if (opened) window.injected = true;
         location.href = '{url}';"
    ));
    page.press("Settings");
    page.reads("Check this installation");
    assert_eq!(page.run("return location.protocol + (window.injected ?? '')"), "tauri:");
    assert!(elsewhere.accept().is_err(), "the page went elsewhere");
}

#[test]
fn closing_keeps_the_icon_and_says_so_once_and_a_second_launch_shows_the_window() {
    if !can_show_windows() {
        return;
    }
    let scratch = Scratch::new();
    let (mut laptop, page) = laptop(&scratch);
    let idle = laptop.panel.says(CALM);
    laptop.picture("first-look");

    laptop.close_window();
    until("the window is hidden", || check(!laptop.shows_window(), || "it is shown".into()));
    laptop.panel.is_told("driftless goes on in the background");
    laptop.panel.click();
    until("a click shows it", || check(laptop.shows_window(), || "it is hidden".into()));
    laptop.close_window();
    until("the window is hidden", || check(!laptop.shows_window(), || "it is shown".into()));
    assert!(laptop.launch_again().success());
    until("a launch shows it", || check(laptop.shows_window(), || "it is hidden".into()));
    assert_eq!(laptop.panel.notices().len(), 1, "it is said once");
    page.reads("No folders yet");

    // A panel that went and came back has the icon again.
    laptop.panel.go();
    laptop.close_window();
    let windows = || laptop.windows();
    until("closing asks", || check(windows() == 2, || format!("{} windows", windows())));
    laptop.picture("closing-asks");
    laptop.press_key("Escape");
    until("the question goes", || check(windows() == 1, || format!("{} windows", windows())));
    laptop.panel.come();
    assert_eq!(laptop.panel.says(CALM), idle);

    laptop.panel.choose("Quit");
    drop(page);
    assert!(laptop.ends().success());
    // As at log-in: there, and not in the way.
    laptop.start(&["--hidden"]);
    laptop.panel.says(CALM);
    assert!(!laptop.shows_window());
    laptop.panel.choose("Open driftless");
    until("it is shown", || check(laptop.shows_window(), || "it is hidden".into()));
    assert!(laptop.log_out().success());
}

#[test]
fn the_app_uses_the_daemon_that_runs_and_takes_its_place_when_it_is_gone() {
    if !can_show_windows() {
        return;
    }
    let scratch = Scratch::new();
    let mut laptop = Laptop::new(&scratch, "ada", None);
    let home = Home::resolve(Some(laptop.home())).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (end, ending) = watch::channel(false);
    let options = RunOptions {
        home: home.clone(),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        discovery: false,
        machine_id: None,
    };
    let daemon = runtime.spawn(driftless_daemon::host(options, ending));
    let address = || {
        let status = runtime.block_on(async {
            let client = Client::connect(&home.control_socket()).await.ok()?;
            client.call(StatusQuery::default()).await.ok()
        });
        status.map(|status| status.device.addresses).ok_or_else(|| "no daemon".to_owned())
    };
    let before = until("the daemon serves", address);

    laptop.start(&[]);
    let page = laptop.page();
    page.press("Continue");
    page.press("Look around first");
    let status = page.invoke("call", json!({ "method": "status", "params": {} })).unwrap();
    assert_eq!(status["device"]["addresses"], json!(before), "it is the one that ran");

    end.send_replace(true);
    runtime.block_on(daemon).unwrap().unwrap();
    page.reads(GONE);
    laptop.panel.says(GONE);
    // Nobody brings it back, so the app does.
    page.reads("No folders yet");
    laptop.panel.says(CALM);
    assert_ne!(address().unwrap(), before);

    // A person ends it by the command line, which means it; and starts it again here.
    runtime.block_on(async {
        let client = Client::connect(&home.control_socket()).await.unwrap();
        client.call(Shutdown {}).await.unwrap();
    });
    page.reads(GONE);
    laptop.panel.says(GONE);
    page.press("Start it again");
    page.no_longer_reads(GONE);
    laptop.panel.says(CALM);
    drop(page);
    assert!(laptop.log_out().success());
    assert!(address().is_err(), "a hosted daemon ends with the app");
}

#[test]
fn settings_of_the_app_are_kept_and_logs_go_where_a_person_says() {
    if !can_show_windows() {
        return;
    }
    let scratch = Scratch::new();
    let (mut laptop, page) = laptop(&scratch);
    page.press("Settings");
    page.reads("Start when I log in");
    let configure = |page: &Page, changes| {
        let call = json!({ "method": "app.configure", "params": changes });
        page.invoke("call", call).unwrap()
    };
    let entry = laptop.config_dir().join("autostart/driftless.desktop");
    assert!(!entry.exists());
    let set = configure(&page, json!({ "start_at_login": true, "theme": "dark" }));
    assert_eq!((&set["start_at_login"], &set["theme"]), (&true.into(), &"dark".into()));
    let text = fs::read_to_string(&entry).unwrap();
    assert!(text.contains("--hidden"), "{text}");

    // Nothing is here that could be lost, so it is safe at once; and whoever wants no such word is not told.
    let tell = || page.invoke("call", json!({ "method": "app.tell-when-safe", "params": {} }));
    tell().unwrap();
    laptop.panel.is_told("It is safe to close the lid");
    let silence =
        json!({ "conflicts": true, "problems": true, "requests": true, "finished": false });
    configure(&page, json!({ "notify": silence }));
    assert_eq!(tell().unwrap_err()["code"], "refused");

    let logs = laptop.directory("logs.zip");
    laptop.will_pick(&logs);
    page.press("Export logs…");
    page.reads("The logs were saved.");
    assert!(fs::read(&logs).unwrap().starts_with(b"PK"));

    laptop.panel.choose("Quit");
    drop(page);
    assert!(laptop.ends().success());
    laptop.start(&[]);
    let page = laptop.page();
    page.reads("No folders yet");
    assert_eq!(page.run("return document.documentElement.dataset.theme"), "dark");
    laptop.picture("dark");
    let set = configure(&page, json!({ "start_at_login": false }));
    assert_eq!((&set["start_at_login"], &set["theme"]), (&false.into(), &"dark".into()));
    assert!(!entry.exists());
}
