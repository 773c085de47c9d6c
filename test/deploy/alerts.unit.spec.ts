/**
 * Alerts and dashboard against what the code exports: a name or a label that does not exist, or a rule that nobody is
 * told what to do about, fails here. Where promtool is installed it also runs the tests of the rules themselves.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadSettings, ROLES, type Role } from '../../config/settings.js';
import { createMetrics } from '../../src/http/metrics.js';
import { PROBLEMS } from '../../src/http/problem.js';
import { HANDLED_KINDS } from '../../src/kafka/consumer.js';
import { DELIVERIES } from '../../src/mail/deliverer.js';
import { skipBecause } from '../helpers/skips.js';
import { labelsOf, type Known, type Series } from './promql.js';

const ROOT = new URL('../../', import.meta.url);
const fileOf = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const RULES = 'deploy/prometheus/rules.yml';
const RULE_TESTS = 'deploy/prometheus/rules.test.yml';

// ---- what there is ----------------------------------------------------------------------------------------

/** Of processes, where the system tells them. */
const LINUX_ONLY = ['process_open_fds', 'process_max_fds', 'process_resident_memory_bytes'];

interface Metric {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

const registry = new Registry();
createMetrics(registry);
const own = registry.getMetricsAsArray().map(({ name }) => name);
collectDefaultMetrics({ register: registry });
const metrics = registry.getMetricsAsArray() as unknown as readonly Metric[];

const scraping = z
  .object({
    scrape_configs: z.array(
      z.object({
        job_name: z.string(),
        metrics_path: z.string(),
        static_configs: z.array(
          z.object({ targets: z.array(z.string()), labels: z.record(z.string(), z.string()) }),
        ),
      }),
    ),
  })
  .parse(parse(fileOf('deploy/prometheus/prometheus.yml')));
const targets = scraping.scrape_configs.flatMap(({ static_configs }) => static_configs);
/** Every series has them, whatever the code says. */
const TARGET_LABELS = ['job', 'instance', ...new Set(targets.flatMap(({ labels }) => Object.keys(labels)))];

const seriesOf = (kind: Series['kind'], labels: readonly string[]): Series => ({
  kind,
  labels: new Set([...labels, ...TARGET_LABELS]),
});

function exported({ name, type, labelNames }: Metric): [string, Series][] {
  switch (type) {
    case 'counter':
    case 'gauge':
      return [[name, seriesOf(type, labelNames)]];
    case 'histogram':
      return [
        [`${name}_bucket`, seriesOf('counter', [...labelNames, 'le'])],
        [`${name}_sum`, seriesOf('counter', labelNames)],
        [`${name}_count`, seriesOf('counter', labelNames)],
      ];
    default:
      throw new Error(`${name} is a ${type}`);
  }
}

const known: Known = {
  series: new Map([
    ...LINUX_ONLY.map((name) => [name, seriesOf('gauge', [])] as const),
    ...metrics.flatMap(exported),
    // Prometheus makes it of every scrape.
    ['up', seriesOf('gauge', [])] as const,
  ]),
  values: new Map([
    ['code', new Set(Object.keys(PROBLEMS))],
    ['outcome', new Set<string>([...HANDLED_KINDS, ...DELIVERIES])],
    ['role', new Set<string>(ROLES)],
  ]),
};

/** What is wrong with each, in the order given. */
function faultsOf(expressions: readonly string[]): string[] {
  return expressions.flatMap((expression) => {
    try {
      labelsOf(expression, known);
      return [];
    } catch (error) {
      return [`${String(error)} in ${expression}`];
    }
  });
}

// ---- the check itself -------------------------------------------------------------------------------------

describe('the check of expressions', () => {
  it.each([
    ['ticktak_sale_total', 'no metric is called ticktak_sale_total'],
    ['ticktak_http_request_seconds', 'no metric is called ticktak_http_request_seconds'],
    ['ticktak_mails_total{reason="x"}', 'ticktak_mails_total has no label reason'],
    ['ticktak_refusals_total{code=~"overloaded|over_loaded"}', 'no code is over_loaded'],
    ['{job="x"}', 'a selector without a name'],
    ['sum by (ticket) (ticktak_mails_total)', 'nothing has the label ticket'],
    ['sum by (ticket) (sum by (job) (ticktak_queue_depth))', 'nothing has the label ticket'],
    ['sum(ticktak_mails_total) by (tickets)', 'nothing has the label tickets'],
    ['rate(ticktak_queue_depth[5m])', 'ticktak_queue_depth is a gauge'],
    ['deriv(ticktak_sales_total[5m])', 'ticktak_sales_total is a counter'],
    ['histogram_quantile(0.9, sum by (job) (rate(ticktak_commit_seconds_bucket[5m])))', 'not the buckets'],
    ['sum by (job) (ticktak_workers) / ticktak_workers', 'the sides never match'],
    ['ticktak_workers and on (part) ticktak_part_ready', 'nothing has the label part'],
    ['ticktak_workers > bool', 'not PromQL'],
    ['sum(ticktak_workers', 'not PromQL'],
    [
      'label_replace(ticktak_workers, "a", "$1", "b", "(.*)") + on (a) ticktak_workers',
      'nothing has the label a',
    ],
  ])('refuses %s', (expression, fault) => {
    expect(() => labelsOf(expression, known)).toThrow(fault);
  });

  it.each([
    ['vector(1)', null],
    ['ticktak_workers', ['instance', 'job', 'role']],
    ['ticktak_queue_depth > 1', ['instance', 'job', 'role', 'ticket']],
    ['sum(ticktak_workers)', []],
    ['absent(ticktak_workers{job="x"})', []],
    ['max without (instance, role) (ticktak_queue_depth offset 5m)', ['job', 'ticket']],
    ['topk(5, max by (ticket) (ticktak_queue_depth))', ['ticket']],
    ['max_over_time(rate(ticktak_sales_total[5m])[1h:1m])', ['instance', 'job', 'role']],
    [
      'ticktak_part_ready and on (job) sum by (job) (ticktak_workers) > 0',
      ['instance', 'job', 'part', 'role'],
    ],
    ['histogram_quantile(0.9, sum by (job, le) (rate(ticktak_commit_seconds_bucket[5m]))) > 1', ['job']],
  ])('takes %s', (expression, labels) => {
    const found = labelsOf(expression, known);
    expect(found && [...found].sort()).toEqual(labels);
  });

  it('knows what the code exports, and no name twice', () => {
    const names = [...known.series.keys()];
    expect(names).toEqual(
      expect.arrayContaining(['ticktak_commit_seconds_bucket', 'process_cpu_seconds_total']),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(own).size).toBe(own.length);
  });
});

// ---- alerts -----------------------------------------------------------------------------------------------

const text = z.string().min(1);
const alertSchema = z.strictObject({
  alert: z.string().regex(/^Ticktak[A-Z]\w+$/),
  expr: text,
  for: z.string().regex(/^\d+[mh]$/),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
  annotations: z.strictObject({
    summary: text,
    description: text,
    action: text,
    runbook: z.string().regex(/^docs\/(operations|runbook)\.md#[\w-]+$/),
  }),
});
const { groups } = z
  .strictObject({
    groups: z.array(z.strictObject({ name: z.string(), rules: z.array(alertSchema).min(1) })),
  })
  .parse(parse(fileOf(RULES)));
const alerts = groups.flatMap(({ rules }) => rules);
const names = alerts.map(({ alert }) => alert);

/** How a heading is linked to. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .trim()
    .replaceAll(' ', '-');

const operations = fileOf('docs/operations.md');
/** Where a link into a page may lead. */
function anchorsOf(path: string): string[] {
  const withoutCode = fileOf(path).replace(/^```[\s\S]*?^```/gm, '');
  return [...withoutCode.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => `${path}#${anchorOf(heading)}`);
}
const anchors = new Set(['docs/operations.md', 'docs/runbook.md'].flatMap(anchorsOf));
/** The first cells of a section's tables. */
const cellsOf = (heading: string): string[] => {
  const section = new RegExp(`^## ${heading}$([\\s\\S]*?)^## `, 'm').exec(operations)?.[1] ?? '';
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, cell = '']) => cell);
};

describe('the alerts', () => {
  it('ask for what there is', () => {
    expect(alerts.length).toBeGreaterThan(20);
    expect(faultsOf(alerts.map(({ expr }) => expr))).toEqual([]);
  });

  it('have names of their own', () => {
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(alerts.map((alert) => [alert.alert, alert] as const))('%s says only what it knows', (_, alert) => {
    const labels = labelsOf(alert.expr, known);
    const said = Object.values(alert.annotations).join('\n');
    const named = [...said.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
    expect(named.filter((label) => !labels?.has(label ?? ''))).toEqual([]);
    // Whose alert it is must be told, unless nothing is there to tell it.
    if (!alert.expr.startsWith('absent(')) expect(labels).toContain('job');
  });

  it('lead to headings that there are', () => {
    const missing = alerts.filter(({ annotations }) => !anchors.has(annotations.runbook));
    expect(missing.map(({ alert }) => alert)).toEqual([]);
  });

  it('are all in the guide, and no others', () => {
    expect(cellsOf('Alerts').sort()).toEqual([...names].sort());
  });

  it('name settings that there are', () => {
    const settings = fileOf('docs/settings.md');
    const said = alerts.flatMap(({ annotations }) => Object.values(annotations)).join('\n');
    const named = said.match(/\b[A-Z]+(_[A-Z]+)+\b/g) ?? [];
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !settings.includes(`\`${name}\``))).toEqual([]);
  });
});

// ---- tests of the alerts ----------------------------------------------------------------------------------

const ruleTests = z
  .object({
    tests: z.array(
      z.object({
        name: z.string(),
        input_series: z.array(z.object({ series: z.string() })),
        promql_expr_test: z.array(
          z.object({ expr: z.string(), exp_samples: z.array(z.object({ labels: z.string() })) }),
        ),
      }),
    ),
  })
  .parse(parse(fileOf(RULE_TESTS)));

describe('the tests of the alerts', () => {
  it('show each alert when it fires and when it does not', () => {
    const shown = new Map<string, Set<boolean>>();
    for (const { expr, exp_samples } of ruleTests.tests.flatMap((test) => test.promql_expr_test)) {
      const [, name = ''] = /^ALERTS\{alertname="(\w+)",alertstate="firing"\}$/.exec(expr) ?? [];
      shown.set(name, (shown.get(name) ?? new Set()).add(exp_samples.length > 0));
    }
    expect([...shown.keys()].sort()).toEqual([...names].sort());
    expect([...shown].filter(([, ways]) => ways.size < 2).map(([name]) => name)).toEqual([]);
  });

  it('are given series as the code exports them', () => {
    const given = ruleTests.tests.flatMap((test) => test.input_series.map(({ series }) => series));
    expect(faultsOf(given)).toEqual([]);
  });
});

const PROMTOOL_MS_MAX = 60_000;
const PROMTOOL = 'promtool finds the rules sound, and they fire when they should';
if (spawnSync('promtool', ['--version']).status === 0) {
  describe('promtool', () => {
    it(
      PROMTOOL,
      () => {
        const commands = [
          ['check', 'rules', RULES],
          ['check', 'config', 'deploy/prometheus/prometheus.yml'],
          ['test', 'rules', RULE_TESTS],
        ];
        for (const command of commands) {
          const { status, stdout, stderr } = spawnSync('promtool', command, {
            cwd: ROOT,
            encoding: 'utf8',
            timeout: PROMTOOL_MS_MAX,
          });
          expect({ command, status, said: status === 0 ? '' : stdout + stderr }).toEqual({
            command,
            status: 0,
            said: '',
          });
        }
      },
      3 * PROMTOOL_MS_MAX,
    );
  });
} else {
  describe('promtool', () => {
    skipBecause(
      PROMTOOL,
      'promtool is not installed; the rest of the suite reads rules and dashboard by itself',
    );
  });
}

// ---- what is scraped --------------------------------------------------------------------------------------

describe('the example for Prometheus', () => {
  it('finds every role on its default port, and reads the rules', () => {
    const settings = loadSettings({}, []);
    const portOf = (role: Role): number => settings[`${role}Port`];
    expect(targets.map(({ targets: at, labels }) => [labels['role'], ...at])).toEqual(
      expect.arrayContaining(ROLES.map((role) => [role, `127.0.0.1:${portOf(role)}`])),
    );
    expect(targets).toHaveLength(ROLES.length);
    expect(scraping.scrape_configs.map(({ job_name, metrics_path }) => [job_name, metrics_path])).toEqual([
      ['ticktak', '/metrics'],
    ]);
    expect(parse(fileOf('deploy/prometheus/prometheus.yml'))).toMatchObject({ rule_files: ['rules.yml'] });
  });
});

// ---- the dashboard ----------------------------------------------------------------------------------------

const DATA_SOURCE = { type: 'prometheus', uid: '${datasource}' };
const gridSchema = z.object({ h: z.number(), w: z.number(), x: z.number(), y: z.number() });
const panelSchema = z.object({
  id: z.number(),
  type: z.enum(['row', 'timeseries', 'stat']),
  title: text,
  description: z.string().optional(),
  gridPos: gridSchema,
  datasource: z.unknown().optional(),
  targets: z
    .array(z.object({ refId: text, expr: text, legendFormat: z.string(), datasource: z.unknown() }))
    .optional(),
});
const dashboard = z
  .object({
    uid: z.string(),
    id: z.null(),
    title: text,
    schemaVersion: z.number(),
    templating: z.object({
      list: z.array(z.object({ name: z.string(), type: z.string(), query: z.unknown() })),
    }),
    panels: z.array(panelSchema),
  })
  .parse(JSON.parse(fileOf('deploy/grafana/ticktak.json')));
const graphs = dashboard.panels.filter(({ type }) => type !== 'row');

/** As Grafana sends it: its own variables stand for durations. */
const sent = (expression: string): string =>
  expression.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h');

describe('the dashboard', () => {
  it('asks for what there is', () => {
    const expressions = graphs.flatMap(({ targets: asked = [] }) => asked.map(({ expr }) => sent(expr)));
    expect(expressions.length).toBeGreaterThan(30);
    expect(faultsOf(expressions)).toEqual([]);
  });

  it('names its lines by labels that they have', () => {
    const wrong = graphs.flatMap(({ title, targets: asked = [] }) =>
      asked.flatMap(({ expr, legendFormat }) => {
        const labels = labelsOf(sent(expr), known);
        const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
        return named.filter((label) => !labels?.has(label)).map((label) => `${title}: ${label}`);
      }),
    );
    expect(wrong).toEqual([]);
  });

  it('can be imported: a data source and a marketplace to choose, and a format that Grafana reads as it is', () => {
    expect(dashboard.schemaVersion).toBe(42);
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['job', 'query'],
    ]);
    const job = dashboard.templating.list[1]?.query as { readonly query: string };
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(job.query) ?? [];
    expect(known.series.get(metric)?.labels).toContain(label);
    for (const { title, description, datasource, targets: asked } of graphs) {
      expect([title, datasource]).toEqual([title, DATA_SOURCE]);
      expect([title, description === undefined || description === '']).toEqual([title, false]);
      for (const target of asked ?? []) {
        expect(target.datasource).toEqual(DATA_SOURCE);
        expect(target.expr).toContain('job=~"$job"');
      }
      expect(asked?.length).toBeGreaterThan(0);
    }
  });

  it('has a row for each subject, and no two panels in one place', () => {
    expect(dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title)).toEqual([
      'Sales',
      'Holds and refusals',
      'Tickets',
      'Queues and actors',
      'Exchange',
      'Payments',
      'Mails',
      'HTTP',
      'Processes',
    ]);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const places = dashboard.panels.map(({ gridPos }) => gridPos);
    const overlapping = places.filter((a, i) =>
      places.some(
        (b, j) => i < j && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h,
      ),
    );
    expect(overlapping).toEqual([]);
    expect(places.every(({ x, w }) => x >= 0 && x + w <= 24)).toBe(true);
  });

  it('shows every metric of ours', () => {
    const asked = graphs.flatMap(({ targets: all = [] }) => all.map(({ expr }) => expr)).join('\n');
    expect(own.filter((name) => !asked.includes(name))).toEqual([]);
  });
});

describe('the guide', () => {
  it('explains every metric of ours, and no other', () => {
    const listed = cellsOf('Metrics').map((cell) => cell.replace(/\{.*\}$/, ''));
    const ours = listed.filter((name) => name.startsWith('ticktak_'));
    expect(ours.sort()).toEqual([...own].sort());
  });

  it('gives each its labels', () => {
    const labels = cellsOf('Metrics').flatMap((cell) => {
      const [, name = '', inside = ''] = /^(ticktak_\w+)(?:\{(.*)\})?$/.exec(cell) ?? [];
      const metric = metrics.find((one) => one.name === name);
      return metric && metric.labelNames.join(',') !== inside ? [cell] : [];
    });
    expect(labels).toEqual([]);
  });
});
