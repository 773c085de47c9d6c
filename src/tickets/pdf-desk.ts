/**
 * Tickets to print or to show: what a document is, and who waits for one.
 *
 * Guarantees: the same tickets in the same language are the same bytes as long as they are remembered; pages of
 * one document, documents made at once, waiting and remembered are limited.
 */
import { createHash } from 'node:crypto';
import type { Match } from '../catalog/match.js';

export const PDF_LANGUAGES = ['en', 'ar'] as const;
export type PdfLanguage = (typeof PDF_LANGUAGES)[number];

export interface TicketPage {
  readonly id: string;
  readonly code: string;
  readonly match: Match;
  readonly category: number;
  /** Of how many that were sold together. */
  readonly number: number;
  readonly of: number;
  readonly unitPrice: number;
  readonly currency: string;
  /** The holder's address; empty when it is not known. */
  readonly holder: string;
}

/** Pages of one document. */
export const PAGES_MAX = 50;

export interface PdfLimits {
  readonly makingMax: number;
  readonly waitingMax: number;
  readonly rememberedMax: number;
  readonly rememberedBytesMax: number;
}

export const PDF_LIMITS: PdfLimits = {
  /** Documents made at once: each keeps a core busy. */
  makingMax: 2,
  waitingMax: 50,
  rememberedMax: 200,
  rememberedBytesMax: 32 * 1024 * 1024,
};

type MakePdf = (pages: readonly TicketPage[], language: PdfLanguage) => Promise<Buffer>;

/** What draws is loaded with the first document: most processes never make one. */
const drawn: MakePdf = async (pages, language) => {
  const { ticketsPdf } = await import('./pdf.js');
  return ticketsPdf(pages, language);
};

/** Makes documents, a few at a time, and remembers the newest. */
export class PdfDesk {
  readonly #make: MakePdf;
  readonly #limits: PdfLimits;
  readonly #waiting: (() => void)[] = [];
  /** In order of use. */
  readonly #remembered = new Map<string, Promise<Buffer>>();
  readonly #sizes = new Map<string, number>();
  #making = 0;
  #bytes = 0;

  constructor(options: { readonly make?: MakePdf; readonly limits?: Partial<PdfLimits> } = {}) {
    this.#make = options.make ?? drawn;
    this.#limits = { ...PDF_LIMITS, ...options.limits };
  }

  /** Null when too many wait already. */
  document(pages: readonly TicketPage[], language: PdfLanguage): Promise<Buffer> | null {
    const key = createHash('sha256')
      .update(JSON.stringify([language, pages]))
      .digest('base64url');
    const known = this.#remembered.get(key);
    if (known) {
      this.#remembered.delete(key);
      this.#remembered.set(key, known);
      return known;
    }
    if (this.#waiting.length >= this.#limits.waitingMax) return null;
    const made = this.#inTurn(() => this.#make(pages, language));
    this.#remember(key, made);
    return made;
  }

  async #inTurn(make: () => Promise<Buffer>): Promise<Buffer> {
    if (this.#making >= this.#limits.makingMax) await new Promise<void>((go) => this.#waiting.push(go));
    else this.#making += 1;
    try {
      return await make();
    } finally {
      // Whoever waits takes the place over.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#making -= 1;
    }
  }

  #remember(key: string, made: Promise<Buffer>): void {
    this.#remembered.set(key, made);
    made.then(
      ({ length }) => {
        if (!this.#remembered.has(key)) return;
        this.#sizes.set(key, length);
        this.#bytes += length;
        this.#forget();
      },
      () => this.#drop(key),
    );
  }

  #forget(): void {
    const { rememberedMax, rememberedBytesMax } = this.#limits;
    for (const key of this.#remembered.keys()) {
      if (this.#remembered.size <= rememberedMax && this.#bytes <= rememberedBytesMax) return;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.#remembered.delete(key);
    this.#bytes -= this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
  }
}
