/** What only the sandbox can make, from its own key: client secrets, page tokens. None of it is kept. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Json } from './answers.js';

const SECRET_CHARS = 32;

export class Secrets {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  clientSecret(intentId: string): string {
    return `${intentId}_secret_${this.#made(`client:${intentId}`)}`;
  }

  /** Opens one page, for one attempt. */
  pageToken(path: string): string {
    return this.#made(`page:${path}`);
  }

  opensPage(path: string, token: string): boolean {
    return isSame(token, this.pageToken(path));
  }

  #made(what: string): string {
    return createHmac('sha256', this.#key).update(what).digest('base64url').slice(0, SECRET_CHARS);
  }
}

/** Takes the same time wherever they differ. */
export function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** An answer with its secrets, wherever a payment intent stands in it. `baseUrl`: of the sandbox's pages. */
export function present(body: Json, secrets: Secrets, baseUrl: string): Json {
  const inner = (value: unknown): Json => present(value as Json, secrets, baseUrl); // only objects are passed
  if (body['object'] === 'payment_intent') return presentIntent(body, secrets, baseUrl);
  if (body['object'] === 'list' && Array.isArray(body['data']))
    return { ...body, data: body['data'].map(inner) };
  const error = body['error'] as Json | undefined; // our own error bodies
  if (error?.['payment_intent'] === undefined) return body;
  return { error: { ...error, payment_intent: inner(error['payment_intent']) } };
}

function presentIntent(intent: Json, secrets: Secrets, baseUrl: string): Json {
  const id = String(intent['id']);
  const action = intent['next_action'] as { redirect_to_url: { url: string } } | null; // as render makes it
  if (!action) return { ...intent, client_secret: secrets.clientSecret(id) };
  const path = action.redirect_to_url.url;
  const url = `${baseUrl}${path}&token=${secrets.pageToken(path)}`;
  return {
    ...intent,
    client_secret: secrets.clientSecret(id),
    next_action: { ...action, redirect_to_url: { ...action.redirect_to_url, url } },
  };
}
