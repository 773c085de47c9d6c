/** Accounts in a real browser: registering, logging in, passing a ticket on, and giving one back. */
import { describe, expect, it, jest } from '@jest/globals';
import { skipBecause } from '../helpers/skips.js';
import { visitsOf } from './visits.js';
import { browserFound, newEmail, SIZES } from './browser.js';
import type { Size, Visitor } from './browser.js';
import { buy, countersOf, mailed, PASSWORD, register, sees, TITLES } from './buyer.js';

const TEST_MS_MAX = 240_000;
jest.setTimeout(TEST_MS_MAX);

if (browserFound.kind === 'none') {
  describe('accounts in a browser', () => skipBecause('accounts in a browser', browserFound.reason));
} else {
  describe.each(Object.keys(SIZES) as Size[])('accounts on a %s', suite);
}

function suite(size: Size): void {
  const here = visitsOf(TEST_MS_MAX);
  const come = (): Promise<Visitor> => here.come(size);

  it('passes a ticket on to another account: the new holder has a code, the former has none', async () => {
    const [giver, taker] = [newEmail('giver'), newEmail('taker')];
    const { page } = await come();
    const other = await come();
    await register(page, here.shop, giver);
    await register(other.page, here.shop, taker);
    await buy(page, here.shop, { matchNumber: 12 });
    await page.getByRole('img', { name: /QR code of ticket 1/ }).waitFor();
    await page.getByRole('button', { name: 'Give to somebody…' }).click();
    await page.getByRole('textbox', { name: /E-mail address of the account/ }).fill(taker);
    await page.getByRole('button', { name: 'Offer the ticket' }).click();
    await page.getByText(`Offered to ${taker}. It stays yours`).waitFor();

    await mailed(here.shop, taker, '/tickets');
    await other.page.goto(`${here.shop.url}/tickets`);
    await other.page.getByRole('button', { name: 'Accept' }).click();
    await other.page.getByRole('img', { name: /QR code of ticket 1/ }).waitFor();

    await page.reload();
    await page.getByText(`It belongs to ${taker} now`).waitFor();
    expect(await page.getByRole('img', { name: /QR code/ }).count()).toBe(0);
  });

  it('gives a ticket back for a refund, and says what comes of the money', async () => {
    const { page } = await come();
    await register(page, here.shop, newEmail('refund'));
    await buy(page, here.shop, { matchNumber: 13, quantity: 2 });
    expect(await countersOf(here.shop, 13)).toMatchObject({ available: 18 });
    await page.getByRole('button', { name: 'Ask for a refund' }).click();
    await page.getByRole('button', { name: /^Give back for/ }).click();
    await page.getByText('was given back to the card').first().waitFor();
    expect(await countersOf(here.shop, 13)).toMatchObject({ available: 20 });
  });

  it('stays logged in over a reload, and is out after a log-out', async () => {
    const { page } = await come();
    const email = newEmail('session');
    await register(page, here.shop, email);
    await page.goto(`${here.shop.url}/account`, { waitUntil: 'networkidle' });
    await page.getByText(email).first().waitFor();
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await page.getByText('You are logged out.').first().waitFor();
    await page.goto(`${here.shop.url}/login`, { waitUntil: 'networkidle' });
    await page.getByRole('textbox', { name: /E-mail address/ }).fill(email);
    await page.getByLabel('Password', { exact: true }).fill('not this one at all');
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await page.getByText('The e-mail address or the password is wrong').waitFor();
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor({ state: 'detached' });
    await page.goto(`${here.shop.url}/account`, { waitUntil: 'networkidle' });
    await page.getByText(email).first().waitFor();
  });

  it('finds a guest’s purchase again by mail, on another device', async () => {
    const { page } = await come();
    const email = newEmail('guest');
    const id = await buy(page, here.shop, { matchNumber: 14, email });
    const other = await come();
    await other.page.goto(`${here.shop.url}/reservations/${id}`);
    await other.page.getByRole('heading', { name: 'This reservation is not open to you here' }).waitFor();
    await other.page.goto(`${here.shop.url}/lookup`, { waitUntil: 'networkidle' });
    await other.page.getByRole('textbox', { name: /E-mail address/ }).fill(email);
    await other.page.getByRole('button', { name: 'Send me my links' }).click();
    await other.page.getByText('Look into your mail').waitFor();
    await other.page.goto(await mailed(here.shop, email, `/reservations/${id}#token=`));
    await sees(other.page, TITLES.reserved);
    expect(other.page.url()).not.toContain('token');
  });
}
