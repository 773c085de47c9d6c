/** A running marketplace as its operators use it, over HTTP. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Running } from '../helpers/processes.js';

export const OPERATOR = 'operator@ticktak.example';
export const CARD = '4242424242424242';
export const PASSWORD = 'horse staple battery 42';

export interface Reply<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
  readonly text: string;
}

/** One request; an answer that is no JSON has an empty body. */
export async function ask<T = Record<string, unknown>>(
  method: string,
  url: string,
  { body, token, key }: { readonly body?: unknown; readonly token?: string; readonly key?: string } = {},
): Promise<Reply<T>> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(key !== undefined && { 'Idempotency-Key': key }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json') && text !== '';
  return { status: response.status, text, body: JSON.parse(isJson ? text : '{}') as T };
}

/** The password that a start prints once. */
export function firstPassword({ output }: Running): string {
  const password = /shown this once[^\n]*\n +\S+@\S+\n +(\S+)\n/.exec(output())?.[1];
  if (password === undefined) throw new Error(`no first operator in:\n${output()}`);
  return password;
}

export async function logIn(user: string, email: string, password = PASSWORD): Promise<string> {
  const { status, body } = await ask<{ accessToken: string }>('POST', `${user}/api/v1/sessions`, {
    body: { email, password },
  });
  if (status !== 201) throw new Error(`${email} could not log in: ${status}`);
  return body.accessToken;
}

export async function register(user: string, email: string): Promise<{ id: string; token: string }> {
  const { status, body } = await ask<{ id: string }>('POST', `${user}/api/v1/users`, {
    body: { email, password: PASSWORD, name: 'Somebody' },
  });
  if (status !== 201) throw new Error(`${email} could not register: ${status}`);
  return { id: body.id, token: await logIn(user, email) };
}

/** A master list of so many matches with so many tickets in each category, as a file. */
export function writeList(dir: string, matches: number, available: number): string {
  const list = Array.from({ length: matches }, (_, i) => ({
    matchNumber: i + 1,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    availability: {
      category1: { available, pending: available, price: 75 },
      category2: { available, pending: available, price: 125 },
      category3: { available, pending: available, price: 195 },
    },
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: 'A',
  }));
  const file = join(dir, 'list.json');
  writeFileSync(file, JSON.stringify(list));
  return file;
}

export interface Bought {
  readonly id: string;
  readonly token: string;
  readonly email: string;
}

/** Holds and pays; throws unless it is RESERVED. */
export async function buy(
  reservations: string,
  wanted: { readonly matchNumber: number; readonly category: number; readonly quantity: number },
  email: string,
): Promise<Bought> {
  const held = await hold(reservations, wanted, email);
  const paid = await ask<{ status: string }>(
    'POST',
    `${reservations}/api/v1/reservations/${held.id}/payment`,
    { body: { paymentMethod: CARD }, token: held.token },
  );
  if (paid.body.status !== 'RESERVED') throw new Error(`not paid: ${paid.status} ${paid.text}`);
  return held;
}

export async function hold(
  reservations: string,
  wanted: { readonly matchNumber: number; readonly category: number; readonly quantity: number },
  email: string,
): Promise<Bought> {
  const { status, body, text } = await ask<{ id: string; token: string }>(
    'POST',
    `${reservations}/api/v1/reservations`,
    { body: { ...wanted, email } },
  );
  if (status !== 201) throw new Error(`not held: ${status} ${text}`);
  return { id: body.id, token: body.token, email };
}

/** Runs `work` for each number from 0, so many at once. */
export async function times<T>(count: number, atOnce: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const run = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) results[i] = await work(i);
  };
  await Promise.all(Array.from({ length: atOnce }, run));
  return results;
}
