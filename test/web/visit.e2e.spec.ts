/** What is recommended, with its reason, and what is recorded of a visit, in a real browser. */
import { describe, expect, it, jest } from '@jest/globals';
import type { Page, Request } from 'playwright-core';
import { skipBecause } from '../helpers/skips.js';
import { visitsOf } from './visits.js';
import { browserFound } from './browser.js';

const TEST_MS_MAX = 240_000;
jest.setTimeout(TEST_MS_MAX);

if (browserFound.kind === 'none') {
  describe('a visit', () => skipBecause('recommendations and recording in a browser', browserFound.reason));
} else {
  describe('a visit', suite);
}

interface Sent {
  readonly consent: boolean;
  readonly visitor: string;
  readonly events: readonly Readonly<Record<string, unknown>>[];
}

function suite(): void {
  const here = visitsOf(TEST_MS_MAX);
  const come = async (): Promise<Page> => (await here.come('phone')).page;
  /** What the page sends to be recorded. */
  const recorded = (page: Page): Request[] => {
    const requests: Request[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/api/v1/views')) requests.push(request);
    });
    return requests;
  };
  const bodyOf = (request: Request): Sent => request.postDataJSON() as Sent;
  const kept = (page: Page, key: string): Promise<string | null> =>
    page.evaluate(`localStorage.getItem(${JSON.stringify(key)})`);

  it('recommends matches of the country that was chosen, says why, and keeps it', async () => {
    const page = await come();
    await page.goto(`${here.shop.url}/`);
    const block = page.getByRole('complementary', { name: 'Worth a look' });
    await block.scrollIntoViewIfNeeded();
    await block.getByText('Ranked by popularity only').waitFor();
    await block.getByText('Choose country and teams').click();
    await block.getByLabel('Your country').selectOption('SN');
    await block.getByText('Your team plays: Senegal').first().waitFor();
    await block.getByText('Country: Senegal, your choice.').waitFor();
    await block.getByLabel('Follow a team').selectOption('Japan');
    await block.getByText('Your team plays: Japan').first().waitFor();
    await page.reload();
    await block.scrollIntoViewIfNeeded();
    await block.getByText('Your team plays: Japan').first().waitFor();
    await block.getByText('Choose country and teams').click();
    await block.getByRole('button', { name: 'Stop following Japan' }).click();
    await block.getByText('Your team plays: Japan').first().waitFor({ state: 'detached' });
    // What is looked for stands alone.
    await page.getByRole('searchbox', { name: 'Search' }).fill('Ghana');
    await block.waitFor({ state: 'hidden' });
  });

  it('sends nothing before the question is answered, and nothing after a no', async () => {
    const page = await come();
    const requests = recorded(page);
    await page.goto(`${here.shop.url}/matches/1`);
    const question = page.getByRole('complementary', { name: 'May we learn from your visit?' });
    await question.waitFor();
    expect(await kept(page, 'ticktak.visitor')).toBeNull();
    await question.getByRole('button', { name: 'No, do not record' }).click();
    await question.waitFor({ state: 'detached' });
    await page.goto(`${here.shop.url}/matches/2`);
    await page.goto(`${here.shop.url}/?q=Qatar`);
    await page.getByRole('status').first().waitFor();
    // Whatever waited to be sent would go with this.
    await page.goto(`${here.shop.url}/help`);
    await page.getByText('Recording is off in this browser.').waitFor();
    expect([requests.length, await kept(page, 'ticktak.visitor')]).toEqual([0, null]);
  });

  it('sends what is looked at after a yes, which the shop takes, until it is taken back', async () => {
    const page = await come();
    const requests = recorded(page);
    await page.goto(`${here.shop.url}/matches/3`);
    await page.getByRole('button', { name: 'Yes, record it' }).click();
    const first = await page.waitForResponse(/\/api\/v1\/views$/);
    expect(first.status()).toBe(202);
    // The answer's body is not kept for a request that may outlive its page: the same one again tells it.
    const again = await fetch(first.url(), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: first.request().postData() ?? '',
    });
    expect(await again.json()).toEqual({ taken: 1 });
    expect(bodyOf(first.request())).toMatchObject({
      consent: true,
      events: [{ kind: 'view', matchNumber: 3 }],
    });
    const { visitor } = bodyOf(first.request());
    expect(await kept(page, 'ticktak.visitor')).toBe(visitor);
    // Neither who it is nor the device goes along.
    expect(await first.request().headerValue('cookie')).toBeNull();

    await page.goto(`${here.shop.url}/`);
    const answered = page.waitForResponse(/\/api\/v1\/views$/);
    await page.getByRole('searchbox', { name: 'Search' }).fill('ann@example.com Qatar');
    const second = await answered;
    expect(second.status()).toBe(202);
    const sent = bodyOf(second.request());
    expect(sent.events).toMatchObject([{ kind: 'search', terms: ['Qatar'] }]);
    expect(JSON.stringify(requests.map(bodyOf))).not.toContain('ann');

    await page.goto(`${here.shop.url}/help`);
    await page.getByRole('button', { name: 'Turn recording off' }).click();
    await page.getByText('Recording is off in this browser.').waitFor();
    const before = requests.length;
    await page.goto(`${here.shop.url}/matches/4`);
    await page.goto(`${here.shop.url}/help`);
    await page.getByText('Recording is off in this browser.').waitFor();
    expect([requests.length, await kept(page, 'ticktak.visitor')]).toEqual([before, null]);
  });
}
