// Two texts beside each other, to be read and pointed at. Which stretches differ is told, or else found here.
import { Change, diff, MergeView, type MergeConfig } from '@codemirror/merge';
import { EditorState, StateEffect, StateField, type Extension } from '@codemirror/state';
import { Decoration, EditorView, highlightSpecialChars, type DecorationSet } from '@codemirror/view';
import { look, rootOf } from './look';

/** Lines of a text, from 0, the last one excluded. */
export type Lines = { from: number; to: number };
export type PairPlace = { a: Lines; b: Lines; done: boolean };

export type Pair = {
  a: { label: string; text: string };
  b: { label: string; text: string };
  /** Where they differ, in order; null to have it found. */
  places: readonly PairPlace[] | null;
  /** What stands for lines that are alike; `$` is their number. */
  alike: string;
};

/** Beyond this many changed characters in one place, differences are shown roughly. */
const SCAN_LIMIT = 500;
const DIFF_MS = 100;

/** How often two sides are aligned after a jump. */
const ROUNDS = 4;
/** How many lines stay beside a place, and how many at least are worth folding. */
const FOLDED = { margin: 3, minSize: 6 };

type Shown = { places: readonly PairPlace[]; here: number | null };
const setHere = StateEffect.define<number | null>();

export class Panes {
  #view: MergeView;
  readonly #make: () => MergeView;
  readonly #host: HTMLElement;
  readonly #places: readonly PairPlace[];
  #folded: boolean;
  #aligning = 0;

  constructor(host: HTMLElement, pair: Pair, onpick: (place: number) => void) {
    this.#host = host;
    this.#places = pair.places ?? [];
    this.#folded = pair.places === null;
    this.#make = () => viewOf(host, pair, onpick);
    this.#view = this.#make();
    const [first] = this.#view.chunks;
    if (!pair.places && first) this.#scrollTo(this.#view.b, first.fromB);
  }

  /** Shows all lines, or few of those that are alike. */
  fold(on: boolean): void {
    if (on === this.#folded) return;
    this.#folded = on;
    // Absent, it would stay as it is.
    this.#view.reconfigure({ collapseUnchanged: on ? FOLDED : undefined } as MergeConfig);
  }

  /** Marks a place and brings it in sight. */
  point(at: number | null): void {
    this.#mark(at);
    const place = at === null ? undefined : this.#places[at];
    if (!place) return;
    cancelAnimationFrame(this.#aligning);
    this.#bring(place, ROUNDS, () => {
      if (this.#isAligned(place)) return;
      // What two sides learnt of their heights on the way may keep them apart; afresh, they meet.
      this.#view.destroy();
      this.#view = this.#make();
      this.#mark(at);
      this.#bring(place, ROUNDS, () => undefined);
    });
  }

  destroy(): void {
    cancelAnimationFrame(this.#aligning);
    this.#view.destroy();
  }

  /** Heights of lines out of sight are guessed; as they come in sight, the two sides are aligned anew. */
  #bring(place: PairPlace, rounds: number, done: () => void): void {
    this.#reveal(place);
    if (rounds === 0) return done();
    this.#view.reconfigure({});
    this.#aligning = requestAnimationFrame(() => {
      this.#aligning = requestAnimationFrame(() => this.#bring(place, rounds - 1, done));
    });
  }

  #mark(at: number | null): void {
    for (const editor of [this.#view.a, this.#view.b]) editor.dispatch({ effects: setHere.of(at) });
  }

  #isAligned({ a, b }: PairPlace): boolean {
    if (a.to === a.from || b.to === b.from) return true;
    const top = (editor: EditorView, { from }: Lines) =>
      editor.documentTop + editor.lineBlockAt(lineStart(editor.state, from)).top;
    return Math.abs(top(this.#view.a, a) - top(this.#view.b, b)) < 2;
  }

  #reveal({ a, b }: PairPlace): void {
    // The side that has lines there says where that is.
    const [editor, lines] = a.to > a.from ? [this.#view.a, a] : [this.#view.b, b];
    this.#scrollTo(editor, lineStart(editor.state, lines.from));
  }

  #scrollTo(editor: EditorView, at: number): void {
    const { top } = editor.lineBlockAt(Math.min(at, editor.state.doc.length));
    this.#host.scrollTop = Math.max(0, top - this.#host.clientHeight / 4);
  }
}

function viewOf(host: HTMLElement, pair: Pair, onpick: (place: number) => void): MergeView {
  const root = rootOf(host);
  return new MergeView({
    a: { doc: pair.a.text, extensions: side('a', pair, onpick) },
    b: { doc: pair.b.text, extensions: side('b', pair, onpick) },
    parent: root,
    root,
    gutter: false,
    // Where one jumps from place to place, sides that are folded do not stay aligned.
    ...(pair.places ? {} : { collapseUnchanged: FOLDED }),
    diffConfig: {
      scanLimit: SCAN_LIMIT,
      timeout: DIFF_MS,
      ...(pair.places ? { override: differences(pair.places) } : {}),
    },
  });
}

function side(name: 'a' | 'b', pair: Pair, onpick: (place: number) => void): Extension[] {
  const { label } = pair[name];
  const places = pair.places ?? [];
  return [
    look,
    EditorState.lineSeparator.of('\n'),
    EditorState.readOnly.of(true),
    EditorState.phrases.of({ '$ unchanged lines': pair.alike }),
    EditorView.editable.of(false),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': label, 'aria-readonly': 'true' }),
    highlightSpecialChars(),
    marks(name, places),
    EditorView.domEventHandlers({
      click: (event, editor) => {
        const at = editor.posAtCoords({ x: event.clientX, y: event.clientY });
        if (at === null) return;
        const line = editor.state.doc.lineAt(at).number - 1;
        const place = places.findIndex((one) => line >= one[name].from && line < one[name].to);
        if (place >= 0) onpick(place);
      },
    }),
  ];
}

function marks(name: 'a' | 'b', places: readonly PairPlace[]): Extension {
  const draw = (state: EditorState, { here }: Shown): DecorationSet =>
    Decoration.set(
      places.flatMap((place, at) => {
        const drawn = Decoration.line({
          class: `${place.done ? 'place-done' : 'place-open'}${at === here ? ' place-here' : ''}`,
        });
        const { from, to } = place[name];
        return Array.from({ length: to - from }, (_, more) => drawn.range(lineStart(state, from + more)));
      }),
    );
  return StateField.define<{ shown: Shown; drawn: DecorationSet }>({
    create: (state) => {
      const shown = { places, here: null };
      return { shown, drawn: draw(state, shown) };
    },
    update: (value, transaction) => {
      const effect = transaction.effects.find((one) => one.is(setHere));
      if (!effect) return value;
      const shown = { places, here: effect.value as number | null };
      return { shown, drawn: draw(transaction.state, shown) };
    },
    provide: (field) => EditorView.decorations.from(field, ({ drawn }) => drawn),
  });
}

function lineStart(state: EditorState, line: number): number {
  return state.doc.line(Math.min(line + 1, state.doc.lines)).from;
}

/** Finds what differs within each place and nowhere else. */
function differences(places: readonly PairPlace[]): (a: string, b: string) => Change[] {
  return (a, b) => {
    const [startsA, startsB] = [starts(a), starts(b)];
    const offset = (all: readonly number[], line: number, end: number) => all[line] ?? end;
    return places.flatMap((place) => {
      const fromA = offset(startsA, place.a.from, a.length);
      const fromB = offset(startsB, place.b.from, b.length);
      const toA = offset(startsA, place.a.to, a.length);
      const toB = offset(startsB, place.b.to, b.length);
      const found = diff(a.slice(fromA, toA), b.slice(fromB, toB), {
        scanLimit: SCAN_LIMIT,
        timeout: DIFF_MS,
      });
      return found.map(
        (one) => new Change(one.fromA + fromA, one.toA + fromA, one.fromB + fromB, one.toB + fromB),
      );
    });
  };
}

function starts(text: string): number[] {
  const all = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) all.push(at + 1);
  return all;
}
