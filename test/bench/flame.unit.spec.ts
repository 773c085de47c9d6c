/** The picture of a CPU profile. */
import { describe, expect, it } from '@jest/globals';
import { flameOf, framesOf, type CpuProfile } from '../../bench/flame.js';

const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber });
const OWN = 'file:///somewhere/dist/src/http/api.js';
const PACKAGE = 'file:///somewhere/node_modules/@scope/name/lib/index.js';

const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 4, 6] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('load', 'node:internal/modules/esm/loader'), children: [7] },
    { id: 4, callFrame: frame('send <b>', OWN, 9), children: [5] },
    { id: 5, callFrame: frame('', PACKAGE) },
    { id: 6, callFrame: frame('send <b>', OWN, 9) },
    { id: 7, callFrame: frame('compiled', OWN) },
  ],
  samples: [2, 3, 7, 4, 5, 5, 6],
  timeDeltas: [500, 400, 300, 10, 20, 30, 40],
};

describe('the picture of a CPU profile', () => {
  it('adds up what was called, joins the same function, and leaves waiting and loading out', () => {
    const { time, children } = framesOf(profile);
    expect(time).toBe(100);
    expect([...children.keys()]).toEqual(['send <b> http/api.js:10']);
    const send = children.get('send <b> http/api.js:10');
    expect(send).toMatchObject({ time: 100, owner: 'ticktak' });
    expect([...(send?.children.values() ?? [])]).toMatchObject([
      { name: '(anonymous) lib/index.js:1', owner: '@scope/name', time: 50 },
    ]);
  });

  it('is as wide as the time, and writes nothing that could be read as markup', () => {
    const svg = flameOf(profile, 'web & worker');
    expect(svg).toContain('web &#38; worker');
    expect(svg).not.toContain('<b>');
    const widths = [...svg.matchAll(/<rect x="([\d.]+)" y="\d+" width="([\d.]+)"/g)].map((found) => found[2]);
    expect(widths).toEqual(['1199.6', '1199.6', '599.6']);
    expect(svg).toContain('50.0 %');
  });

  it('of nothing is an empty one', () => {
    expect(flameOf({ nodes: [] }, 'none')).toContain('</svg>');
  });
});
