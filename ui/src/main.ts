// Where the interface begins: chooses the transport and puts the app on the page.
import { mount } from 'svelte';
import { Client } from './api/client';
import type { Transport } from './api/transport';
import App from './App.svelte';
import './styles/tokens.css';
import './styles/base.css';

/** Set when building with `--mode fake`. */
declare const __FAKE__: boolean;

async function transport(): Promise<Transport> {
  if (__FAKE__) {
    const { FakeTransport } = await import('./api/fake');
    return new FakeTransport(location.search);
  }
  const { TauriTransport } = await import('./api/tauri');
  return new TauriTransport();
}

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no place for the app');
mount(App, { target, props: { client: new Client(await transport()) } });
