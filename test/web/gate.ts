/** What stands at a gate: a steward, tickets that people bought, and a camera that sees one. */
import { writeFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { encode } from 'uqr';
import { request, type Json } from '../helpers/processes.js';
import { newEmail, type Shop } from './browser.js';
import { PASSWORD } from './buyer.js';

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

interface Told extends Json {
  readonly accessToken: string;
  readonly tickets: readonly Bought[];
}

export interface Bought {
  readonly id: string;
  readonly code: string;
  readonly reservationId: string;
  readonly token: string;
}

async function ask(
  shop: Shop,
  method: string,
  path: string,
  more: Parameters<typeof request>[2],
): Promise<Told> {
  const { status, body } = await request(method, `${shop.url}/api/v1${path}`, more);
  expect([method, path, status < 300, body.code]).toEqual([method, path, true, undefined]);
  return body as Told;
}

const tokens = new Map<string, Promise<string>>();

/** One log-in of each is enough, and more than some a minute are refused. */
export function accessTokenOf(shop: Shop, { email, password }: Credentials): Promise<string> {
  const known = tokens.get(email);
  if (known) return known;
  const token = ask(shop, 'POST', '/sessions', { body: { email, password } }).then(
    ({ accessToken }) => accessToken,
  );
  tokens.set(email, token);
  return token;
}

/** An account that an operator made a steward. */
export const newSteward = (shop: Shop): Promise<Credentials> => newStaff(shop, 'steward', 'Sam Steward');

/** Another operator: one of them cannot log in as often in a minute as there are tests. */
export const newOperator = (shop: Shop): Promise<Credentials> => newStaff(shop, 'operator', 'Oda Operator');

async function newStaff(shop: Shop, role: 'steward' | 'operator', name: string): Promise<Credentials> {
  const own = { email: newEmail(role), password: PASSWORD };
  const { id } = await ask(shop, 'POST', '/users', { body: { ...own, name } });
  const token = await accessTokenOf(shop, shop.operator);
  await ask(shop, 'PATCH', `/users/${id}`, { body: { [role]: true }, token });
  return own;
}

/** Tickets of one reservation of a guest. */
export async function bought(shop: Shop, matchNumber: number, quantity = 1): Promise<readonly Bought[]> {
  const body = { matchNumber, category: 1, quantity, email: newEmail('fan') };
  const { id, token } = await ask(shop, 'POST', '/reservations', { body });
  await ask(shop, 'POST', `/reservations/${id}/payment`, {
    body: { paymentMethod: '4242424242424242' },
    token,
  });
  const { tickets } = await ask(shop, 'GET', `/reservations/${id}/tickets`, { token });
  return tickets.map((ticket) => ({ ...ticket, reservationId: id, token }));
}

export async function refund(shop: Shop, { reservationId, token }: Bought): Promise<void> {
  await ask(shop, 'POST', `/reservations/${reservationId}/refund`, { body: {}, token });
}

interface Counts {
  readonly sold: number;
  readonly admitted: number;
  readonly conflicts: number;
}

const COUNTS_MS_MAX = 20_000;
const COUNTS_POLL_MS = 250;

/** Waits until the marketplace counts so: its figures may be a second old. */
export async function counts(
  shop: Shop,
  matchNumber: number,
  as: Credentials,
  wanted: Partial<Counts>,
): Promise<void> {
  const token = await accessTokenOf(shop, as);
  const endsAt = Date.now() + COUNTS_MS_MAX;
  for (;;) {
    const { body } = await request('GET', `${shop.url}/api/v1/check-ins/counts/${matchNumber}`, { token });
    const isSo = Object.entries(wanted).every(
      ([name, value]) => (body as unknown as Counts)[name as keyof Counts] === value,
    );
    if (isSo) return;
    if (Date.now() > endsAt) expect(body).toMatchObject(wanted);
    await new Promise((resolve) => setTimeout(resolve, COUNTS_POLL_MS));
  }
}

export interface Post {
  readonly matchNumber: number;
  readonly gate?: string;
  readonly device?: string;
}

/** Logs in as somebody who comes to the page for the first time, chooses the match, and stands at the gate. */
export async function standAt(
  page: Page,
  shop: Shop,
  as: Credentials,
  post: Post,
  prefix = '',
): Promise<void> {
  await page.goto(`${shop.url}${prefix}/check-in`);
  await page.getByRole('link', { name: 'Log in', exact: true }).click();
  await logIn(page, as);
  await page.getByRole('heading', { level: 1, name: 'Where do you check?' }).waitFor();
  await chooseGate(page, post);
}

export async function logIn(page: Page, { email, password }: Credentials): Promise<void> {
  // The form can be seen before its scripts have come, and used after.
  await page.waitForURL(/\/login/);
  await page.waitForLoadState('networkidle');
  await page.getByRole('textbox', { name: /E-mail address/ }).fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

export async function chooseGate(
  page: Page,
  { matchNumber, gate = 'North', device = 'Phone 1' }: Post,
): Promise<void> {
  await page.getByLabel('Match', { exact: true }).selectOption(String(matchNumber));
  await page.getByLabel('Gate', { exact: true }).fill(gate);
  await page.getByLabel('Name of this device').fill(device);
  await page.getByRole('button', { name: 'Download the list and begin' }).click();
  await page.getByText('Ready', { exact: true }).waitFor();
}

/** Types a code, as a hand-held scanner does. */
export async function enter(page: Page, code: string): Promise<void> {
  await page.getByLabel('Code', { exact: true }).fill(code);
  await page.keyboard.press('Enter');
}

/** Waits for the answer with this title, and what is said with it. */
export async function told(page: Page, title: string, detail?: string | RegExp): Promise<void> {
  const answer = page.getByRole('alert').filter({ has: page.getByText(title, { exact: true }) });
  await answer.waitFor();
  if (detail !== undefined) await answer.getByText(detail).waitFor();
}

const WIDTH = 640;
const HEIGHT = 480;
const MODULE_PX = 6;
const WHITE = 235;
const BLACK = 16;
const FRAMES = 10;

/** A film of a code that somebody holds before the camera: YUV4MPEG2 with 4:2:0, as Chromium's fake camera plays it. */
export function filmOf(code: string, path: string): void {
  const { data, size } = encode(code, { ecc: 'M', border: 4 });
  const left = Math.floor((WIDTH - size * MODULE_PX) / 2);
  const top = Math.floor((HEIGHT - size * MODULE_PX) / 2);
  if (top < 0) throw new Error('the code is larger than the picture');
  const luma = Buffer.alloc(WIDTH * HEIGHT, WHITE);
  for (let y = 0; y < size * MODULE_PX; y += 1) {
    for (let x = 0; x < size * MODULE_PX; x += 1) {
      const isDark = data[Math.floor(y / MODULE_PX)]?.[Math.floor(x / MODULE_PX)] === true;
      if (isDark) luma[(top + y) * WIDTH + left + x] = BLACK;
    }
  }
  const frame = Buffer.concat([Buffer.from('FRAME\n'), luma, Buffer.alloc((WIDTH * HEIGHT) / 2, 128)]);
  const head = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`);
  writeFileSync(path, Buffer.concat([head, ...Array.from({ length: FRAMES }, () => frame)]));
}
