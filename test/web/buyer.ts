/** What a person does in the shop, in the words that stand on its buttons. */
import { expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import type { Shop } from './browser.js';

export interface Wanted {
  readonly matchNumber: number;
  readonly category?: 1 | 2 | 3;
  readonly quantity?: number;
  /** Absent when logged in. */
  readonly email?: string;
}

export const TITLES = {
  held: 'Pay to keep your tickets',
  retry: 'Declined: try another card',
  bank: 'Your bank wants to check that it is you',
  unknown: 'We do not know yet whether it worked',
  reserved: 'Your tickets are yours',
  cancelled: 'These tickets were given back',
  expired: 'The hold has ended',
} as const;

/** Waits for the screen whose heading this is. */
export async function sees(page: Page, title: string, ms?: number): Promise<void> {
  await page
    .getByRole('heading', { level: 1, name: title })
    .waitFor(ms === undefined ? undefined : { timeout: ms });
}

/** Fills in the form of a match, without sending it. */
export async function choose(page: Page, shop: Shop, wanted: Wanted): Promise<void> {
  const { matchNumber, category = 1, quantity = 1, email } = wanted;
  await page.goto(`${shop.url}/matches/${matchNumber}`);
  // The page can be read before its scripts have come, and used after.
  await page.getByText('Live availability', { exact: true }).waitFor();
  await page.getByRole('radio', { name: new RegExp(`Category ${category}\\b`) }).check({ force: true });
  for (let more = 1; more < quantity; more += 1) {
    await page.getByRole('button', { name: 'One ticket more' }).click();
  }
  if (email !== undefined) await page.getByRole('textbox', { name: /E-mail address/ }).fill(email);
  // Who is logged in is asked for after the page has loaded.
  else await page.getByText(/^Bought with your account/).waitFor();
}

/** Holds tickets and answers the reservation's id. */
export async function hold(page: Page, shop: Shop, wanted: Wanted): Promise<string> {
  await choose(page, shop, wanted);
  await page.getByRole('button', { name: 'Hold tickets' }).click();
  await sees(page, TITLES.held);
  const id = /\/reservations\/([^/?#]+)/.exec(page.url())?.[1];
  expect(id).toBeDefined();
  return id ?? '';
}

export const CARDS = {
  pays: /^Pays/,
  declined: /^Is declined/,
  bank: /^Asks the bank \(3-D Secure\)/,
} as const;

/** Presents a test card and presses the button that pays. */
export async function pay(page: Page, card: RegExp = CARDS.pays): Promise<void> {
  await page.getByRole('button', { name: card }).click();
  await page.getByRole('button', { name: /^(Pay |Take the tickets again)/ }).click();
}

export async function buy(page: Page, shop: Shop, wanted: Wanted): Promise<string> {
  const id = await hold(page, shop, wanted);
  await pay(page);
  await sees(page, TITLES.reserved);
  return id;
}

export const PASSWORD = 'quite some unrelated words';

/** An account whose address is confirmed, logged in here. */
export async function register(page: Page, shop: Shop, email: string): Promise<void> {
  await page.goto(`${shop.url}/register`, { waitUntil: 'networkidle' });
  await page.getByRole('textbox', { name: 'Name' }).fill('A Fan');
  await page.getByRole('textbox', { name: /E-mail address/ }).fill(email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByText('Your account is ready').waitFor();
  const link = await mailed(shop, email, '/confirm-email');
  await page.goto(link, { waitUntil: 'networkidle' });
  await page.getByRole('button', { name: 'Confirm address' }).click();
  await page.getByText(`${email} is confirmed`).waitFor();
}

const MAIL_MS_MAX = 10_000;
const MAIL_POLL_MS = 100;

/** The link of a mail, which goes out after the answer to whoever asked for it. */
export async function mailed(shop: Shop, email: string, path: string): Promise<string> {
  for (let waitedMs = 0; waitedMs < MAIL_MS_MAX; waitedMs += MAIL_POLL_MS) {
    const link = shop.linkFor(email, path);
    if (link !== null) return link;
    await new Promise((resolve) => setTimeout(resolve, MAIL_POLL_MS));
  }
  throw new Error(`no mail to ${email} with a link to ${path}`);
}

interface Counters {
  readonly available: number;
  readonly pending: number;
}

/** As the shop tells everybody. */
export async function countersOf(shop: Shop, matchNumber: number, category = 1): Promise<Counters> {
  const answer = await fetch(`${shop.url}/api/v1/matches/${matchNumber}`);
  const { availability } = (await answer.json()) as { availability: Record<string, Counters> };
  const counters = availability[`category${category}`];
  if (!counters) throw new Error(`match ${matchNumber} has no category ${category}`);
  return { available: counters.available, pending: counters.pending };
}
