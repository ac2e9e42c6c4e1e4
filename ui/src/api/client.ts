// Typed calls over a transport. Knows every method; decides nothing about what replies mean.
import type { AppMethods } from './app';
import type { ApiError, ErrorCode, Methods, Subscribe } from './generated/control';
import type { Listener, Open, Pick, Stop, Transport, Drop } from './transport';

/** Every method, of the daemon and of the app. */
export type Api = Methods & AppMethods;
export type MethodName = keyof Api;

/** A call that failed; `message` says what and on what, `hint` what to do about it. */
export class CallError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | null;

  constructor(error: ApiError) {
    super(error.message);
    this.name = 'CallError';
    this.code = error.code;
    this.hint = error.hint;
  }
}

export class Client {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Rejects with `CallError` and nothing else. */
  async call<M extends MethodName>(method: M, params: Api[M]['params']): Promise<Api[M]['reply']> {
    try {
      return (await this.#transport.call(method, params)) as Api[M]['reply'];
    } catch (error) {
      throw toCallError(error);
    }
  }

  subscribe(params: Subscribe, listener: Listener): Stop {
    return this.#transport.subscribe(params, listener);
  }

  pick(request: Pick): Promise<string | null> {
    return this.#transport.pick(request);
  }

  async open(request: Open): Promise<void> {
    try {
      await this.#transport.open(request);
    } catch (error) {
      throw toCallError(error);
    }
  }

  onDrop(listener: (drop: Drop) => void): Stop {
    return this.#transport.onDrop(listener);
  }
}

export function toCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  if (isApiError(error)) return new CallError(error);
  const message = error instanceof Error ? error.message : String(error);
  return new CallError({ code: 'failed', message, hint: null });
}

function isApiError(error: unknown): error is ApiError {
  return (
    typeof error === 'object' && error !== null && 'code' in error && 'message' in error && 'hint' in error
  );
}
