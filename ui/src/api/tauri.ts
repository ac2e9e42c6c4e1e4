// The transport inside the app: four commands of the shell, and the window's drag and drop.
import { Channel, invoke } from '@tauri-apps/api/core';
import { getCurrentWebview } from '@tauri-apps/api/webview';
import type { ApiError, Subscribe, SubscriptionFrame } from './generated/control';
import type { Drop, Listener, Open, Pick, Stop, Transport } from './transport';

/** What the shell sends through a subscription's channel. */
type Message = { frames: SubscriptionFrame[] } | { end: ApiError | null };

export class TauriTransport implements Transport {
  call(method: string, params: object): Promise<unknown> {
    return invoke('call', { method, params });
  }

  subscribe(params: Subscribe, listener: Listener): Stop {
    let over = false;
    const end = (error: ApiError | null) => {
      if (over) return;
      over = true;
      listener.onEnd(error);
    };
    const channel = new Channel<Message>((message) => {
      if (over) return;
      if ('frames' in message) listener.onFrames(message.frames);
      else end(message.end);
    });
    invoke('subscribe', { params, channel }).catch((error: ApiError) => end(error));
    return () => {
      if (over) return;
      over = true;
      invoke('unsubscribe', { channel: channel.id }).catch(() => undefined);
    };
  }

  pick(request: Pick): Promise<string | null> {
    return invoke('pick', { request });
  }

  open(request: Open): Promise<void> {
    return invoke('open', { request });
  }

  onDrop(listener: (drop: Drop) => void): Stop {
    const unlisten = getCurrentWebview().onDragDropEvent(({ payload }) => {
      if (payload.type === 'drop') listener({ kind: 'dropped', paths: payload.paths });
      else listener({ kind: payload.type === 'leave' ? 'left' : 'over' });
    });
    return () => {
      unlisten.then((stop) => stop()).catch(() => undefined);
    };
  }
}
