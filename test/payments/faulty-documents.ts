/** Document stores for tests: one that remembers what was written, one that fails as a crash would. */
import type { Documents, NewDocument } from '../../src/archive/documents.js';
import { ArchiveUnavailableError } from '../../src/archive/port.js';

type Write = 'insertDocument' | 'replaceDocument' | 'removeDocument';

/** `around` gets every write and does it, or not. */
function wrapped(
  documents: Documents,
  around: (name: Write, write: () => Promise<boolean>, args: unknown[]) => Promise<boolean>,
): Documents {
  const wrap =
    (name: Write) =>
    (...args: unknown[]): Promise<boolean> => {
      const write = documents[name].bind(documents) as (...all: unknown[]) => Promise<boolean>;
      return around(name, () => write(...args), args);
    };
  return {
    insertDocument: wrap('insertDocument'),
    replaceDocument: wrap('replaceDocument'),
    removeDocument: wrap('removeDocument'),
    document: documents.document.bind(documents),
    listDocuments: documents.listDocuments.bind(documents),
  };
}

export interface RecordedDocuments extends Documents {
  /** Every value that was written, as JSON. */
  written(): readonly string[];
}

export function recorded(documents: Documents): RecordedDocuments {
  const written: string[] = [];
  const through = wrapped(documents, (_name, write, args) => {
    const document = args[1] as NewDocument | string;
    if (typeof document === 'object') written.push(JSON.stringify(document));
    return write();
  });
  return { ...through, written: () => written };
}

export interface FaultyDocuments extends Documents {
  /** From the `nth` write on (from 1) everything fails; that one took effect, or did not. */
  dieAt(nth: number, tookEffect: boolean): void;
  /** Back again; answers how many writes there were since `dieAt`. */
  revive(): number;
}

export function faulty(documents: Documents): FaultyDocuments {
  let deadline = Infinity;
  let tookEffect = false;
  let writes = 0;
  const gone = (): never => {
    throw new ArchiveUnavailableError('the test has taken the store away');
  };
  const through = wrapped(documents, async (_name, write) => {
    writes += 1;
    if (writes < deadline) return write();
    if (writes === deadline && tookEffect) await write();
    return gone();
  });
  const alive = async <T>(read: () => Promise<T>): Promise<T> => (writes >= deadline ? gone() : read());
  return {
    ...through,
    document: (...args) => alive(() => documents.document(...args)),
    listDocuments: (...args) => alive(() => documents.listDocuments(...args)),
    dieAt: (nth, effect) => {
      deadline = nth;
      tookEffect = effect;
      writes = 0;
    },
    revive: () => {
      deadline = Infinity;
      return writes;
    },
  };
}

export interface InterruptedDocuments extends Documents {
  /** Runs `meanwhile` between the `nth` read of a document from now on (from 1) and its answer. */
  interruptAt(id: string, nth: number, meanwhile: () => Promise<unknown>): void;
}

export function interrupted(documents: Documents): InterruptedDocuments {
  let at: { readonly id: string; reads: number; readonly meanwhile: () => Promise<unknown> } | null = null;
  return {
    ...wrapped(documents, (_name, write) => write()),
    document: async (collection, id) => {
      const found = await documents.document(collection, id);
      if (at?.id !== id) return found;
      at.reads -= 1;
      if (at.reads > 0) return found;
      const { meanwhile } = at;
      at = null;
      await meanwhile();
      return found;
    },
    interruptAt: (id, nth, meanwhile) => {
      at = { id, reads: nth, meanwhile };
    },
  };
}
