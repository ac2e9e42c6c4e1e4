// The text that a merge yields: follows the choices, and may be edited freely. What is edited by hand at a place
// no longer follows the choices there, until one is made again; all of it can be undone.
import { defaultKeymap, history, historyKeymap, invertedEffects, isolateHistory } from '@codemirror/commands';
import { EditorState, StateEffect, StateField, type Range, type Transaction } from '@codemirror/state';
import {
  Decoration,
  EditorView,
  highlightSpecialChars,
  keymap,
  WidgetType,
  type DecorationSet,
} from '@codemirror/view';
import { look, rootOf } from './look';
import { EDITED } from './made';

/** Where a place is in the text, and what was made of it: a choice, `EDITED`, or nothing yet. */
export type Spot = { from: number; to: number; made: string | null };

export type ResultWords = {
  label: string;
  /** At a place where nothing was chosen yet. */
  open: string;
  /** At a place of which nothing is left. */
  nothing: string;
};

type Set = Spot & { index: number };
type Value = { spots: readonly Spot[]; here: number | null };

const setSpot = StateEffect.define<Set>({
  map: (set, changes) => ({
    ...set,
    from: changes.mapPos(set.from, -1),
    to: changes.mapPos(set.to, 1),
  }),
});
const setHere = StateEffect.define<number | null>();

export class Result {
  readonly #editor: EditorView;
  readonly #field: StateField<Value>;

  constructor(
    host: HTMLElement,
    start: { text: string; spots: readonly Spot[]; words: ResultWords },
    on: { change: (made: readonly (string | null)[]) => void; leave: () => void },
  ) {
    const root = rootOf(host);
    const field = fieldOf(start.spots);
    this.#field = field;
    this.#editor = new EditorView({
      parent: root,
      root,
      doc: start.text,
      extensions: [
        look,
        field,
        EditorState.lineSeparator.of('\n'),
        EditorView.lineWrapping,
        EditorView.theme({ '&': { height: '100%' }, '.cm-scroller': { overflow: 'auto' } }),
        EditorView.contentAttributes.of({
          'aria-label': start.words.label,
          spellcheck: 'true',
          tabindex: '0',
        }),
        EditorView.decorations.compute([field, 'doc'], (state) =>
          draw(state, state.field(field), start.words),
        ),
        highlightSpecialChars(),
        history(),
        invertedEffects.of((transaction) => takeBack(transaction, transaction.startState.field(field).spots)),
        keymap.of([{ key: 'Escape', run: () => (on.leave(), true) }, ...defaultKeymap, ...historyKeymap]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged || update.startState.field(field) !== update.state.field(field)) {
            on.change(update.state.field(field).spots.map(({ made }) => made));
          }
        }),
      ],
    });
    on.change(start.spots.map(({ made }) => made));
  }

  get text(): string {
    return this.#editor.state.doc.toString();
  }

  /** Puts a text at a place, whatever is there. */
  put(index: number, made: string, text: string): void {
    const spot = this.#editor.state.field(this.#field).spots[index];
    if (!spot) return;
    const { from, to } = spot;
    this.#editor.dispatch({
      changes: { from, to, insert: text },
      effects: [setSpot.of({ index, from, to: from + text.length, made })],
      // A choice is taken back by itself, not with what was typed around it.
      annotations: isolateHistory.of('full'),
    });
  }

  /** Marks a place and brings it in sight. */
  point(at: number | null): void {
    this.#editor.dispatch({ effects: setHere.of(at) });
    const spot = at === null ? undefined : this.#editor.state.field(this.#field).spots[at];
    if (!spot) return;
    const reveal = () => {
      const { top } = this.#editor.lineBlockAt(Math.min(spot.from, this.#editor.state.doc.length));
      const scroller = this.#editor.scrollDOM;
      scroller.scrollTop = Math.max(0, top - scroller.clientHeight / 4);
    };
    reveal();
    this.#editor.requestMeasure({ read: () => undefined, write: reveal });
  }

  destroy(): void {
    this.#editor.destroy();
  }
}

function fieldOf(spots: readonly Spot[]): StateField<Value> {
  return StateField.define<Value>({
    create: () => ({ spots, here: null }),
    update: (value, transaction) => {
      const sets = new Map<number, Set>();
      let { here } = value;
      for (const effect of transaction.effects) {
        if (effect.is(setSpot)) sets.set(effect.value.index, effect.value);
        if (effect.is(setHere)) here = effect.value;
      }
      if (!transaction.docChanged && sets.size === 0) return here === value.here ? value : { ...value, here };
      const only = sets.size === 1 ? [...sets.keys()][0] : undefined;
      const moved = value.spots.map((spot, index): Spot => {
        const set = sets.get(index);
        if (set) return { from: set.from, to: set.to, made: set.made };
        const { from, to } = mapped(spot, transaction, only === undefined ? 0 : Math.sign(index - only));
        const edited = sets.size === 0 && isTouched(spot, transaction);
        return { from, to, made: edited ? EDITED : spot.made };
      });
      return { spots: moved, here };
    },
  });
}

/** Where a spot is after a change; `after` says whether it comes after the one place that was set, if one was. */
function mapped(spot: Spot, { changes }: Transaction, after: number): { from: number; to: number } {
  if (after > 0) return { from: changes.mapPos(spot.from, 1), to: changes.mapPos(spot.to, 1) };
  if (after < 0) return { from: changes.mapPos(spot.from, -1), to: changes.mapPos(spot.to, -1) };
  // What is typed before the line that follows a place belongs to that line.
  const from = changes.mapPos(spot.from, -1);
  return { from, to: Math.max(from, changes.mapPos(spot.to, spot.from === spot.to ? 1 : -1)) };
}

function isTouched({ from, to }: Spot, { changes }: Transaction): boolean {
  let touched = false;
  changes.iterChangedRanges((start, end) => {
    touched ||= from === to ? start <= from && end >= from : (start < to && end > from) || start === from;
  });
  return touched;
}

/** What undoing a change has to restore. */
function takeBack(transaction: Transaction, before: readonly Spot[]): StateEffect<Set>[] {
  const set = transaction.effects.flatMap((effect) => (effect.is(setSpot) ? [effect.value.index] : []));
  return before.flatMap((spot, index) => {
    const changed = set.length > 0 ? set.includes(index) : isTouched(spot, transaction);
    return changed && transaction.docChanged ? [setSpot.of({ ...spot, index })] : [];
  });
}

/** Words that stand where there are none: in an empty line that waits for some, or for a place that is gone. */
class Note extends WidgetType {
  constructor(
    readonly words: string,
    readonly look: string,
    readonly tag: 'div' | 'span',
  ) {
    super();
  }
  override eq(other: Note): boolean {
    return other.words === this.words && other.look === this.look;
  }
  override toDOM(): HTMLElement {
    const note = document.createElement(this.tag);
    note.className = this.look;
    note.textContent = this.words;
    return note;
  }
}

function draw(state: EditorState, { spots, here }: Value, words: ResultWords): DecorationSet {
  const ranges = spots.flatMap(({ from, to, made }, index) => {
    const isHere = index === here;
    const kind = made === null ? 'place-open' : made === EDITED ? 'place-own' : 'place-done';
    const look = `${kind}${isHere ? ' place-here' : ''}`;
    if (from === to) {
      if (!isHere) return [];
      const widget = new Note(words.nothing, `place-empty ${look}`, 'div');
      return [Decoration.widget({ widget, block: true, side: -1 }).range(from)];
    }
    const drawn = Decoration.line({ class: look });
    const lines: Range<Decoration>[] = [];
    for (let at = from; at < to; at = state.doc.lineAt(at).to + 1) {
      lines.push(drawn.range(state.doc.lineAt(at).from));
    }
    if (made === null) {
      const widget = new Note(words.open, 'place-words', 'span');
      lines.push(Decoration.widget({ widget, side: 1 }).range(from));
    }
    return lines;
  });
  return Decoration.set(ranges, true);
}
