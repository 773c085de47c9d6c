/**
 * Waiting in a real browser: the waiting room, waiting lists and phases of a sale, with answers that stand in for what
 * takes a crowd; holds are the marketplace's own.
 */
import { AxeBuilder } from '@axe-core/playwright';
import { describe, expect, it, jest } from '@jest/globals';
import type { Page } from 'playwright-core';
import { skipBecause } from '../helpers/skips.js';
import { browserFound, newEmail, type Size, type Visitor } from './browser.js';
import { visitsOf } from './visits.js';
import { choose, hold, register, sees, TITLES } from './buyer.js';
import { Refusal, standIn, tellTickets } from './stand-in.js';

const TEST_MS_MAX = 240_000;
jest.setTimeout(TEST_MS_MAX);
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const MINUTE_MS = 60_000;
const ROOM = '/waiting-room';

const OFF = { state: 'off', admitted: 0, perMinute: 0, waiting: 0 };
const OPEN = { state: 'open', admitted: 100, perMinute: 60, waiting: 1_234 };
const WAITING = { status: 'waiting', position: 42, estimatedWaitSeconds: 300, pollAfterSeconds: 2 };
const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();
const admitted = (): object => ({
  status: 'admitted',
  position: null,
  estimatedWaitSeconds: null,
  pollAfterSeconds: 5,
  pass: 'the-pass',
  passExpiresAt: soon(10 * MINUTE_MS),
});
const refused = new Refusal(403, 'waiting_room', { room: { state: 'open' } });

if (browserFound.kind === 'none') {
  describe('waiting in a browser', () => skipBecause('waiting in a browser', browserFound.reason));
} else {
  describe('waiting in a browser', suite);
}

function suite(): void {
  const here = visitsOf(TEST_MS_MAX);
  const come = (size: Size = 'phone'): Promise<Visitor> => here.come(size);

  describe('the waiting room', () => {
    it('takes a buyer in, keeps one place over reloads and tabs, and leads back with a pass', async () => {
      const { page, context } = await come();
      const room = await standIn(context, 'GET', ROOM, OFF);
      const places = await standIn(context, 'POST', `${ROOM}/places`, { ...WAITING, token: 'the-place' });
      const mine = await standIn(context, 'GET', `${ROOM}/places/mine`, WAITING);
      const holds = await standIn(context, 'POST', '/reservations', refused);
      const email = newEmail('patient');
      // It goes on while the buyer chooses.
      await choose(page, here.shop, { matchNumber: 30, category: 2, quantity: 2, email });
      room.answer(OPEN);
      await page.getByRole('button', { name: 'Hold tickets' }).click();
      await sees(page, 'Waiting room');
      expect(holds.sent[0]?.headers['waiting-room-pass']).toBeUndefined();
      await page.getByText('1,234 people are waiting.').waitFor();
      expect(await page.getByRole('textbox', { name: /E-mail address/ }).inputValue()).toBe(email);
      await page.getByRole('button', { name: 'Take a place' }).click();
      await page.locator('.room-position', { hasText: '42' }).waitFor();
      await page.locator('.room-figures').getByText('about 5 minutes').waitFor();
      expect(places.sent.map(({ body }) => body)).toEqual([{ email }]);

      await page.reload();
      await page.locator('.room-position', { hasText: '42' }).waitFor();
      const second = await context.newPage();
      await second.goto(`${here.shop.url}${ROOM}`);
      await second.locator('.room-position', { hasText: '42' }).waitFor();
      expect(places.sent).toHaveLength(1);
      await second.close();

      // Between two answers about the place it moves on with everybody.
      mine.answer({ ...WAITING, pollAfterSeconds: 30 });
      await page.waitForResponse(/places\/mine$/);
      await page.waitForResponse(/waiting-room$/);
      room.answer({ ...OPEN, admitted: 130 });
      await page.locator('.room-position', { hasText: /^12$/ }).waitFor();
      expect(await page.title()).toMatch(/^12 · Waiting room/);
      mine.answer(admitted);
      room.answer({ ...OPEN, admitted: 200 });
      await page.waitForURL(/\/matches\/30\?category=2&quantity=2$/);
      expect(mine.sent.every(({ headers }) => headers['waiting-room-token'] === 'the-place')).toBe(true);

      await page.getByText(/It is your turn, with the address .*: you can buy until \d\d:\d\d/).waitFor();
      expect(await page.getByRole('radio', { name: /Category 2\b/ }).isChecked()).toBe(true);
      await shot(page, 'inside');
      holds.real();
      await page.getByRole('button', { name: 'Hold tickets' }).click();
      await sees(page, TITLES.held);
      expect(holds.sent.at(-1)).toMatchObject({
        headers: { 'waiting-room-pass': 'the-pass' },
        body: { category: 2, quantity: 2, email },
      });
    });

    it('stands in the place of the form while it is on, and gives the form back when it is off', async () => {
      const { page, context } = await come();
      const room = await standIn(context, 'GET', ROOM, OPEN);
      await page.goto(`${here.shop.url}/matches/30`);
      await page.getByText('There is a waiting room').waitFor();
      expect(await page.getByRole('button', { name: 'Hold tickets' }).count()).toBe(0);
      await page.getByRole('link', { name: 'To the waiting room' }).click();
      await page.getByRole('button', { name: 'Take a place' }).waitFor();
      room.answer(OFF);
      await page.getByText('You need not wait', { exact: true }).waitFor();
      await page.getByRole('link', { name: 'To the tickets' }).click();
      await page.getByRole('button', { name: 'Hold tickets' }).waitFor();
    });

    it('forgets a pass that is refused, instead of offering it again and again', async () => {
      const { page, context } = await come();
      const room = await standIn(context, 'GET', ROOM, OPEN);
      await standIn(context, 'POST', `${ROOM}/places`, { ...admitted(), token: 'the-place' });
      await standIn(context, 'GET', `${ROOM}/places/mine`, admitted);
      const holds = await standIn(context, 'POST', '/reservations', refused);
      const email = newEmail('refused');
      await page.goto(`${here.shop.url}${ROOM}?next=%2Fmatches%2F30`);
      await page.getByRole('textbox', { name: /E-mail address/ }).fill(email);
      await page.getByRole('button', { name: 'Take a place' }).click();
      await page.getByText('It is your turn').first().waitFor();
      await page.getByRole('link', { name: 'To the tickets' }).click();
      await page.getByRole('radio', { name: /Category 1\b/ }).check({ force: true });
      await page.getByRole('button', { name: 'Hold tickets' }).click();
      await page.getByRole('button', { name: 'Take a place' }).waitFor();
      expect(holds.sent.map(({ headers }) => headers['waiting-room-pass'])).toEqual(['the-pass']);
      room.answer(OFF);
    });

    it('before the opening counts down, and says that the order is drawn by chance', async () => {
      const { page, context } = await come();
      const before = { state: 'before', opensAt: soon(5 * MINUTE_MS), admitted: 0, perMinute: 0, waiting: 7 };
      await standIn(context, 'GET', ROOM, before);
      const place = { status: 'before', position: null, estimatedWaitSeconds: null, pollAfterSeconds: 2 };
      await standIn(context, 'POST', `${ROOM}/places`, { ...place, token: 'early' });
      const mine = await standIn(context, 'GET', `${ROOM}/places/mine`, place);
      await page.goto(`${here.shop.url}${ROOM}`);
      await page
        .getByRole('timer', { name: 'Opens in' })
        .filter({ hasText: /^0:0[45]:\d\d$/ })
        .waitFor();
      await page.getByText(/gets a number by chance: being early gains nothing/).waitFor();
      await page.getByRole('textbox', { name: /E-mail address/ }).fill(newEmail('early'));
      await page.getByRole('button', { name: 'Take a place' }).click();
      await page.getByText('You have a place', { exact: true }).first().waitFor();
      mine.answer(WAITING);
      await page.locator('.room-position', { hasText: '42' }).waitFor();
    });

    it('keeps the last known while no answer comes, and says so', async () => {
      const { page, context } = await come();
      const room = await standIn(context, 'GET', ROOM, OPEN);
      await standIn(context, 'POST', `${ROOM}/places`, { ...WAITING, token: 'the-place' });
      const mine = await standIn(context, 'GET', `${ROOM}/places/mine`, WAITING);
      await page.goto(`${here.shop.url}${ROOM}`);
      await page.getByRole('textbox', { name: /E-mail address/ }).fill(newEmail('cut'));
      await page.getByRole('button', { name: 'Take a place' }).click();
      await page.locator('.room-position', { hasText: '42' }).waitFor();
      room.away();
      mine.away();
      await page.getByText(/This is how it stood at \d\d:\d\d:\d\d/).waitFor();
      expect(await page.locator('.room-position').textContent()).toBe('42');
      room.answer(OPEN);
      mine.answer({ ...WAITING, position: 41 });
      await page.locator('.room-position', { hasText: '41' }).waitFor();
      await page.getByText(/This is how it stood/).waitFor({ state: 'detached' });
    });

    it('knows whoever is logged in, and asks for no address', async () => {
      const { page, context } = await come('desktop');
      await standIn(context, 'GET', ROOM, OPEN);
      const places = await standIn(context, 'POST', `${ROOM}/places`, { ...WAITING, token: 'of-account' });
      await standIn(context, 'GET', `${ROOM}/places/mine`, WAITING);
      const email = newEmail('account');
      await register(page, here.shop, email);
      await page.goto(`${here.shop.url}${ROOM}`);
      await page.getByText(`The place is for your account ${email}.`).waitFor();
      await page.getByRole('button', { name: 'Take a place' }).click();
      await page.locator('.room-position', { hasText: '42' }).waitFor();
      expect(places.sent[0]?.body).toEqual({});
      expect(places.sent[0]?.headers['authorization']).toMatch(/^Bearer /);
    });
  });

  describe('the phases of a sale', () => {
    const ticket = {
      matchNumber: 31,
      category: 1,
      available: 20,
      pending: 20,
      price: 75,
      status: 'available',
    };

    it('count down to the opening, which comes by itself', async () => {
      const { page, context } = await come();
      const sale = { state: 'not_yet', name: 'Everybody', opensAt: soon(8_000), ticketsPerReservationMax: 1 };
      await tellTickets(context, () => [{ ...ticket, sale }]);
      await page.goto(`${here.shop.url}/matches/31`);
      await page.getByText('not on sale yet').waitFor();
      await page.getByRole('timer', { name: 'Sales open in' }).waitFor();
      const radio = page.getByRole('radio', { name: /Category 1\b/ });
      expect(await radio.isDisabled()).toBe(true);
      await page.getByText('Category 1 is on sale now.').waitFor({ state: 'attached' });
      await radio.check({ force: true });
      await page.getByText('One ticket in one reservation.').waitFor();
    });

    it('ask for the code of a presale, keep it for the visit, and say what is wrong with it', async () => {
      const { page, context } = await come();
      const sale = {
        state: 'presale',
        name: 'Members',
        access: 'code',
        closesAt: soon(60 * MINUTE_MS),
        ticketsPerPersonMax: 2,
        next: { name: 'Everybody', opensAt: soon(60 * MINUTE_MS) },
      };
      await tellTickets(context, () => [{ ...ticket, sale }]);
      const holds = await standIn(context, 'POST', '/reservations', new Refusal(403, 'access_code_invalid'));
      await page.goto(`${here.shop.url}/matches/31`);
      await page.getByText('Presale: only with a code.').waitFor();
      await page.getByText(/^For everybody from /).waitFor();
      await page.getByRole('radio', { name: /Category 1\b/ }).check({ force: true });
      await page.getByText('At most 2 tickets for each person in this phase.').waitFor();
      await page.getByRole('textbox', { name: /E-mail address/ }).fill(newEmail('member'));
      const submit = page.getByRole('button', { name: 'Hold tickets' });
      await submit.click();
      await page.getByText('Please enter the code of this presale.').waitFor();
      expect(holds.sent).toHaveLength(0);
      await page.getByRole('textbox', { name: /Presale code/ }).fill('WRONG-1');
      await submit.click();
      await page.getByRole('alert').getByText('The presale code is not valid').waitFor();
      await page.getByText('This code is not valid for these tickets. Please check it.').waitFor();
      expect(holds.sent[0]?.body).toMatchObject({ accessCode: 'WRONG-1' });
      await page.reload();
      await page.getByText('Presale: only with a code.').waitFor();
      await page.getByRole('radio', { name: /Category 1\b/ }).check({ force: true });
      expect(await page.getByRole('textbox', { name: /Presale code/ }).inputValue()).toBe('WRONG-1');
    });

    it('say for which countries a presale is, and what else may be refused', async () => {
      const { page, context } = await come();
      const sale = { state: 'presale', access: 'country', countries: ['QA', 'SA'] };
      await tellTickets(context, () => [{ ...ticket, sale }]);
      const holds = await standIn(
        context,
        'POST',
        '/reservations',
        new Refusal(403, 'country_not_allowed', { countries: ['QA', 'SA'] }),
      );
      await page.goto(`${here.shop.url}/matches/31`);
      const told = 'Presale: only for buyers from Qatar and Saudi Arabia.';
      await page.getByText(told).waitFor();
      await page.getByRole('radio', { name: /Category 1\b/ }).check({ force: true });
      await page.getByRole('textbox', { name: /E-mail address/ }).fill(newEmail('abroad'));
      const submit = page.getByRole('button', { name: 'Hold tickets' });
      await submit.click();
      const alert = page.getByRole('alert');
      await alert.getByText('This presale is for other countries').waitFor();
      await alert.getByText(told).waitFor();
      holds.answer(new Refusal(403, 'not_on_sale', { opensAt: soon(60 * MINUTE_MS) }));
      await submit.click();
      await alert.getByText('This ticket is not on sale now').waitFor();
      await alert.getByText(/^Sales open /).waitFor();
      // The presale turned to codes since the page was read: the field comes with the refusal.
      holds.answer(new Refusal(403, 'access_code_required'));
      await submit.click();
      await alert.getByText('A presale code is needed').waitFor();
      await page.getByRole('textbox', { name: /Presale code/ }).waitFor();
    });
  });

  describe('a waiting list', () => {
    const gone = { matchNumber: 32, category: 3, available: 0, pending: 0, price: 195, status: 'sold_out' };
    const entry = {
      id: 'entry-1',
      token: 'of-entry',
      status: 'waiting',
      matchNumber: 32,
      category: 3,
      quantity: 2,
      position: 3,
      createdAt: soon(0),
    };

    it('is joined for what is sold out, shown with its position, and left', async () => {
      const { page, context } = await come();
      await tellTickets(context, () => [gone]);
      const joins = await standIn(context, 'POST', '/waiting-list', entry);
      const reads = await standIn(context, 'GET', '/waiting-list/entry-1', entry);
      const leaves = await standIn(context, 'DELETE', '/waiting-list/entry-1', { ...entry, status: 'left' });
      const email = newEmail('waits');
      await joinList(page, email, 2);
      await page.getByText('You are on the waiting list for 2 tickets.').waitFor();
      await page.getByText('Your position: 3.').waitFor();
      expect(joins.sent[0]?.body).toEqual({ matchNumber: 32, category: 3, quantity: 2, email });
      expect(joins.sent[0]?.headers['idempotency-key']).toBeDefined();
      await shot(page, 'listed');
      await page.reload();
      await page.getByText('Your position: 3.').waitFor();
      expect(reads.sent.at(-1)?.headers['x-reservation-token']).toBe('of-entry');
      await page.goto(`${here.shop.url}/tickets`);
      await page.getByRole('heading', { name: 'Waiting lists' }).waitFor();
      await page.getByRole('button', { name: 'Leave the list' }).click();
      const dialog = page.getByRole('alertdialog', { name: 'Leave the waiting list?' });
      await dialog.getByRole('button', { name: 'Leave the list' }).click();
      await page.getByRole('heading', { name: 'Waiting lists' }).waitFor({ state: 'detached' });
      expect(leaves.sent.map(({ headers }) => headers['x-reservation-token'])).toEqual(['of-entry']);
    });

    it('shows an offer with its end, and leads to the reservation', async () => {
      const { page, context } = await come();
      // The hold that is offered is a real one.
      const reservationId = await hold(page, here.shop, { matchNumber: 32, email: newEmail('offered') });
      await tellTickets(context, () => [gone]);
      await standIn(context, 'POST', '/waiting-list', entry);
      const offer = { reservationId, expiresAt: soon(10 * MINUTE_MS), token: 'not-needed' };
      await standIn(context, 'GET', '/waiting-list/entry-1', {
        ...entry,
        status: 'offered',
        position: null,
        offer,
      });
      await joinList(page, newEmail('offered'), 2);
      await page.reload();
      const offers = page.getByRole('region', { name: 'Offered to you from the waiting list' });
      await offers.getByText('2 tickets are held for you').waitFor();
      await offers.getByRole('timer').waitFor();
      await shot(page, 'offer-match');
      await page.goto(`${here.shop.url}/tickets`);
      await offers.getByRole('timer').waitFor();
      await shot(page, 'offer-tickets');
      await offers.getByRole('link', { name: 'See and pay' }).click();
      await sees(page, TITLES.held);
      expect(page.url()).toContain(reservationId);
    });

    it('offers no list where there is none', async () => {
      const { page, context } = await come();
      await tellTickets(context, () => [gone]);
      const terms = { ticketsPerReservationMax: 2, guests: true, waitingList: false };
      const asked = await standIn(context, 'GET', '/reservations/terms', terms);
      const told = page.waitForResponse(/reservations\/terms/);
      await page.goto(`${here.shop.url}/matches/32`);
      await told;
      await page.locator('.category-more').first().waitFor({ state: 'attached' });
      expect(await page.getByRole('button', { name: /^Waiting list for/ }).count()).toBe(0);
      asked.answer({ ...terms, waitingList: true });
      await page.reload();
      await page.getByRole('button', { name: 'Waiting list for category 3' }).waitFor();
    });

    it('says what is refused in words', async () => {
      const { page, context } = await come();
      await tellTickets(context, () => [gone]);
      const joins = await standIn(context, 'POST', '/waiting-list', new Refusal(409, 'already_waiting'));
      await joinList(page, newEmail('twice'), 1);
      await page.getByText(/You are on this list already/).waitFor();
      joins.answer(new Refusal(409, 'waiting_list_full'));
      await page.getByRole('button', { name: 'Put me on the list' }).click();
      await page.getByText('The waiting list is full').waitFor();
    });

    async function joinList(page: Page, email: string, quantity: number): Promise<void> {
      await page.goto(`${here.shop.url}/matches/32`);
      await page.getByRole('button', { name: 'Waiting list for category 3' }).click();
      const form = page.getByRole('form', { name: 'Waiting list for category 3' });
      await form.getByLabel('Number of tickets').selectOption(String(quantity));
      await form.getByRole('textbox', { name: /E-mail address/ }).fill(email);
      await form.getByRole('button', { name: 'Put me on the list' }).click();
    }
  });

  describe('operators', () => {
    const standing = {
      mode: 'auto',
      state: 'open',
      perMinute: 55,
      perMinuteMax: null,
      waiting: 1_234,
      admitted: 100,
      inside: 12,
      why: 'As many as are served in time.',
    };

    it('see the waiting room, and set it after a question', async () => {
      const { page, context } = await come('desktop');
      const reads = await standIn(context, 'GET', '/operations/waiting-room', standing);
      const sets = await standIn(context, 'PUT', '/operations/waiting-room', { ...standing, mode: 'on' });
      await comeAsOperator(page, '/operator/waiting-room', 'Waiting room');
      await page.locator('.tile', { hasText: 'Waiting' }).getByText('1,234').waitFor();
      await page.getByText('As many as are served in time.').waitFor();
      await page.getByLabel('At most let in each minute').fill('many');
      await page.getByRole('button', { name: 'Set', exact: true }).click();
      await page.getByText('A whole number, at most 1,000,000.').waitFor();
      await page.getByLabel('At most let in each minute').fill('600');
      await page.getByLabel('Mode').selectOption('on');
      expect(await violations(page, 'room')).toEqual([]);
      await shot(page, 'operator-room');
      await page.getByRole('button', { name: 'Set', exact: true }).click();
      const dialog = page.getByRole('alertdialog', { name: 'Set the waiting room?' });
      await dialog.getByText('At most 600 a minute.').waitFor();
      expect(sets.sent).toEqual([]);
      reads.answer({ ...standing, mode: 'on', perMinuteMax: 600 });
      await dialog.getByRole('button', { name: 'Set' }).click();
      await page.getByText('The waiting room is set.').waitFor();
      expect(sets.sent.map(({ body }) => body)).toEqual([{ mode: 'on', perMinuteMax: 600 }]);
      await page.getByText('At most 600 a minute.').waitFor();
    });

    it('write the phases of a category, and see what buyers will find before they are saved', async () => {
      const { page, context } = await come('desktop');
      const path = '/operations/sale-phases/34/2';
      await standIn(context, 'GET', '/operations/sale-phases/34/1', { phases: [] });
      const reads = await standIn(context, 'GET', path, { phases: [] });
      const saved = {
        name: 'Members',
        opensAt: '2026-01-01T07:00:00.000Z',
        access: { kind: 'code', codeCount: 2 },
        ticketsPerPersonMax: 2,
      };
      const saves = await standIn(context, 'PUT', path, { phases: [saved] });
      await comeAsOperator(page, '/operator/matches/34', /^34 · /);
      await page.getByText('No phases: sold to everybody.').waitFor();
      await page.getByLabel('Category', { exact: true }).selectOption('2');
      await page.getByRole('button', { name: 'Set phases…' }).click();
      const phase = page.getByRole('group', { name: 'Phase 1' });
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      await phase.getByText('Please give it a name of at most 60 characters.').waitFor();
      await phase.getByLabel('Name').fill('Members');
      await phase.getByLabel('Opens').fill('2026-01-01T10:00');
      await phase.getByLabel('For', { exact: true }).selectOption('code');
      await phase.getByLabel('Codes').fill('ALPHA-1\nBETA-2');
      await phase.getByText('2 codes. They are not shown again after saving.').waitFor();
      await phase.getByLabel('At most for one person').fill('2');
      expect(await violations(page, 'phases')).toEqual([]);
      await shot(page, 'operator-phases');
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      const dialog = page.getByRole('alertdialog', { name: /Save the phases of match 34, category 2/ });
      await dialog.getByText('Members').waitFor();
      expect(saves.sent).toEqual([]);
      reads.answer({ phases: [saved] });
      await dialog.getByRole('button', { name: 'Save' }).click();
      await page.getByText('The phases are saved.').waitFor();
      expect(saves.sent.map(({ body }) => body)).toEqual([
        {
          phases: [
            {
              name: 'Members',
              opensAt: '2026-01-01T07:00:00.000Z',
              access: { kind: 'code', codes: ['ALPHA-1', 'BETA-2'] },
              ticketsPerPersonMax: 2,
            },
          ],
        },
      ]);
      await page.getByText('2 codes · 2 for one person').waitFor();
    });

    async function comeAsOperator(page: Page, path: string, title: string | RegExp): Promise<void> {
      await page.goto(here.shop.url + path);
      await page.getByRole('textbox', { name: /E-mail address/ }).fill(here.shop.operator.email);
      await page.getByLabel('Password', { exact: true }).fill(here.shop.operator.password);
      await page.getByRole('button', { name: 'Log in', exact: true }).click();
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
    }
  });

  describe('all of it', () => {
    it.each([
      ['', 'light', 'phone'],
      ['/ar', 'dark', 'phone'],
      ['/ar', 'light', 'desktop'],
    ] as const)(
      'has nothing serious for axe under %s/ in the %s theme on a %s',
      async (prefix, theme, size) => {
        const visitor = await here.come(size, { colorScheme: theme });
        const { page, context } = visitor;
        const room = await standIn(context, 'GET', ROOM, OFF);
        await standIn(context, 'POST', `${ROOM}/places`, { ...WAITING, token: 'the-place' });
        const mine = await standIn(context, 'GET', `${ROOM}/places/mine`, WAITING);
        await tellTickets(context, allKinds);
        const found: string[] = [];
        const look = async (where: string): Promise<void> => {
          found.push(...(await violations(page, where)));
          await shot(page, `${where}${prefix}-${size}-${theme}`);
          const wider = await overflow(page);
          if (wider > 0) found.push(`${where}: ${wider} px wider than the screen`);
        };
        await page.goto(`${here.shop.url}${prefix}/matches/33`);
        await page.locator('.opens-in').first().waitFor();
        await page.getByRole('radio').first().check({ force: true });
        await page.locator('input[name=accessCode]').waitFor();
        await page.locator('.category-box').nth(2).getByRole('button').click();
        await page.locator('.waiting-join').waitFor();
        await look('match');
        room.answer({ ...OPEN, state: 'before', opensAt: soon(3 * 24 * 60 * MINUTE_MS) });
        await page.goto(`${here.shop.url}${prefix}${ROOM}`);
        await page.locator('.opens-in').waitFor();
        await look('before');
        room.answer(OPEN);
        await page.locator('input[name=email]').fill(newEmail('axe'));
        await page.locator('main form button[type=submit]').click();
        await page.locator('.room-position').waitFor();
        await look('waiting');
        mine.away();
        room.away();
        await page.locator('main .notice-warn').waitFor();
        await look('stale');
        expect(found).toEqual([]);
      },
    );
  });
}

/** A presale by code, one to come, and nothing left. */
function allKinds(): object[] {
  const one = { matchNumber: 33, available: 20, pending: 20, price: 75, status: 'available' };
  return [
    { ...one, category: 1, sale: { state: 'presale', name: 'Members', access: 'code' } },
    {
      ...one,
      category: 2,
      sale: { state: 'not_yet', opensAt: soon(90 * MINUTE_MS), access: 'country', countries: ['QA'] },
    },
    { ...one, category: 3, available: 0, pending: 0, status: 'sold_out' },
  ];
}

async function violations(page: Page, where: string): Promise<string[]> {
  const { violations: all } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  return all
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${where}: ${id} ${nodes.map(({ target }) => String(target)).join(' ')}`);
}

/** How much wider the page is than the screen, pixels. */
const overflow = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

/** For eyes: where `SCREENSHOTS` names a folder. */
async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS'];
  if (folder === undefined) return;
  await page.screenshot({ path: `${folder}/${name.replaceAll('/', '-')}.png`, fullPage: true });
}
