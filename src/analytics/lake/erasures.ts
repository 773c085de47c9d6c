/**
 * Persons whose accounts were erased. Guarantee: who is listed stays listed, and is in no row of the lake any more once
 * it has seen the list, whatever is read again later. An address that was erased stays so: who comes back with it is
 * known by a new account only.
 */
import { z } from 'zod';
import { Collection, sortable, type Documents } from '../../archive/documents.js';
import type { Persons } from './persons.js';

const erasureSchema = z.object({
  /** Epoch milliseconds. */
  at: z.number(),
});

const PAGE = 100;

export interface Erasure {
  readonly person: string;
  readonly at: number;
}

export class Erasures {
  readonly #erasures: Collection<'erasures', typeof erasureSchema>;

  constructor(documents: Documents) {
    this.#erasures = new Collection(documents, {
      name: 'erasures',
      schema: erasureSchema,
      lists: ({ at }) => ({ all: sortable(at) }),
    });
  }

  /** Lists a person; one who is listed stays as it is. */
  async add(person: string, at: number): Promise<void> {
    await this.#erasures.insert(person, { at });
  }

  /** All of them. */
  async *all(): AsyncGenerator<Erasure> {
    for await (const { id, value } of this.#erasures.all('all')) yield { person: id, at: value.at };
  }

  /** Those that were listed at a time or after it, the oldest first. */
  async since(at: number): Promise<readonly Erasure[]> {
    const found: Erasure[] = [];
    for (let after: string | undefined; ;) {
      const page = await this.#erasures.list('all', {
        limit: PAGE,
        newestFirst: true,
        ...(after !== undefined && { after }),
      });
      for (const { id, value } of page.items) {
        if (value.at < at) return found.reverse();
        found.push({ person: id, at: value.at });
      }
      if (page.next === undefined) return found.reverse();
      after = page.next;
    }
  }
}

/** Whom an account is in the lake: itself, and a guest with its address. */
export function personsOfAccount(
  persons: Persons,
  { id, email }: { readonly id: string; readonly email: string | null },
): readonly string[] {
  return email === null ? [persons.ofId(id)] : [persons.ofId(id), persons.ofAddress(email)];
}
