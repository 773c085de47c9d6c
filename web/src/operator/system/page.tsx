/** Whether everything runs: each part with a verdict, and the workers and consumers one by one. */
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useOperatorText } from '../../i18n/operator';
import { Notice } from '../../ui/panels';
import { useRead } from '../data';
import { useFigures } from '../figures';
import { BOARD_PATH } from '../paths';
import { DataTable, type Column } from '../ui/data-table';
import { PageTitle } from '../ui/page-title';
import { Section } from '../ui/section';
import { Verdict } from '../ui/verdict';
import { SHOWN_MAX, type SystemState } from './types';
import { isSilent, lagOf, LIMITS, PARTS, verdictsOf, type Part } from './verdicts';
import './system.css';

const POLL_MS = 5_000;

export default function SystemPage(): ReactNode {
  const t = useOperatorText('system');
  const read = useRead<SystemState>({ path: '/operations/system' }, { everyMs: POLL_MS });
  const { data: system } = read;
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <Section title={t('parts')} read={read} asOf={system?.at}>
        {system && (
          <>
            <Overall system={system} />
            <ul className="system-parts">
              {PARTS.map((part) => (
                <PartCard key={part} part={part} system={system} />
              ))}
            </ul>
          </>
        )}
      </Section>
      {system && (
        <>
          <Workers system={system} />
          <Consumers system={system} />
        </>
      )}
    </div>
  );
}

function Overall({ system }: { readonly system: SystemState }): ReactNode {
  const t = useOperatorText('system');
  const verdicts = verdictsOf(system);
  const count = PARTS.filter((part) => verdicts[part] === 'look').length;
  return (
    <div role="status">
      {count === 0 ? (
        <Notice tone="good" title={t('allFine')} />
      ) : (
        <Notice tone="bad" title={t('someToSee', { count })} />
      )}
    </div>
  );
}

/** Pages that say more of a part. */
const PAGES = {
  deadLetters: '/operator/dead-letters',
  workers: '/operator/live',
  payments: '/operator/payouts',
} as const satisfies Partial<Record<Part, string>>;
const hasPage = (part: Part): part is keyof typeof PAGES => Object.hasOwn(PAGES, part);

function PartCard({ part, system }: { readonly part: Part; readonly system: SystemState }): ReactNode {
  const t = useOperatorText('system');
  const verdict = verdictsOf(system)[part];
  return (
    <li className="system-part">
      <div className="row">
        <h3>{t(`names.${part}`)}</h3>
        <Verdict kind={verdict} />
      </div>
      <p>{useWords(part, system)}</p>
      {verdict === 'look' && <p className="soft small">{t(`advice.${part}`)}</p>}
      {hasPage(part) && <Link to={PAGES[part]}>{t(`links.${part}`)}</Link>}
      {part === 'queues' && <a href={BOARD_PATH}>{t('links.queues')}</a>}
    </li>
  );
}

function useWords(part: Part, system: SystemState): string {
  const t = useOperatorText('system');
  const figures = useFigures();
  const { workers, consumers, deadLetters, payments, mails, queues, outbox } = system;
  switch (part) {
    case 'workers':
      return t('words.workers', {
        count: workers.length,
        tickets: workers.reduce((all, { tickets }) => all + tickets, 0),
      });
    case 'consumers':
      return consumers.length === 0
        ? t('words.noConsumers')
        : t('words.consumers', {
            count: consumers.length,
            records: consumers.reduce((all, one) => all + lagOf(one), 0),
          });
    case 'deadLetters':
      return t('words.deadLetters', { count: deadLetters.open });
    case 'payments':
      return t(payments.due < SHOWN_MAX ? 'words.payments' : 'words.manyPayments', {
        due: payments.due,
        stuck: payments.stuck,
      });
    case 'mails':
      return mails.due === 0
        ? t('words.noMails')
        : t(mails.due < SHOWN_MAX ? 'words.mails' : 'words.manyMails', {
            count: mails.due,
            span: figures.span(mails.oldestSeconds),
          });
    case 'queues':
      return t('words.queues', queues);
    case 'outbox':
      return t('words.outbox', { count: outbox.entries });
  }
}

type Worker = SystemState['workers'][number];

function Workers({ system }: { readonly system: SystemState }): ReactNode {
  const t = useOperatorText('system');
  const figures = useFigures();
  const columns: Column<Worker>[] = [
    { key: 'id', header: t('worker'), cell: ({ id }) => <bdi>{id}</bdi>, sort: ({ id }) => id, isName: true },
    {
      key: 'tickets',
      header: t('tickets'),
      cell: ({ tickets }) => figures.number(tickets),
      sort: ({ tickets }) => tickets,
      isNumber: true,
    },
    {
      key: 'live',
      header: t('owned'),
      cell: ({ id }) => (
        <Link to={`/operator/live?owner=${encodeURIComponent(id)}`}>{t('ownedBy', { worker: id })}</Link>
      ),
    },
  ];
  return (
    <Section title={t('names.workers')} about={t('aboutWorkers')}>
      <DataTable
        caption={t('names.workers')}
        isCaptionHidden
        columns={columns}
        rows={system.workers}
        rowKey={({ id }) => id}
        empty={t('noWorkers')}
        csv="workers"
      />
    </Section>
  );
}

interface LagRow {
  readonly consumer: string;
  readonly at: string;
  readonly source: string;
  readonly records: number;
  readonly isSilent: boolean;
}

/** One row for each partition that a consumer reads. */
function lagRowsOf({ at, consumers }: SystemState): readonly LagRow[] {
  const now = Date.parse(at);
  return consumers.flatMap((consumer) => {
    const shared = { consumer: consumer.id, at: consumer.at, isSilent: isSilent(consumer, now) };
    return consumer.lag.map((lag) => ({ ...shared, ...lag }));
  });
}

function Consumers({ system }: { readonly system: SystemState }): ReactNode {
  const t = useOperatorText('system');
  const figures = useFigures();
  const columns: Column<LagRow>[] = [
    {
      key: 'source',
      header: t('source'),
      cell: ({ source }) => <bdi>{source}</bdi>,
      sort: ({ source }) => source,
      isName: true,
    },
    {
      key: 'consumer',
      header: t('consumer'),
      cell: ({ consumer }) => <bdi>{consumer}</bdi>,
      sort: ({ consumer }) => consumer,
    },
    {
      key: 'records',
      header: t('records'),
      cell: ({ records }) => figures.number(records),
      sort: ({ records }) => records,
      isNumber: true,
    },
    {
      key: 'at',
      header: t('heard'),
      cell: ({ at }) => figures.stamp(at),
      sort: ({ at }) => at,
      isShort: true,
    },
    {
      key: 'verdict',
      header: t('verdict'),
      cell: (row) =>
        row.isSilent ? (
          <Verdict kind="look">{t('silent')}</Verdict>
        ) : (
          <Verdict kind={row.records > LIMITS.lagRecords ? 'look' : 'fine'} />
        ),
      sort: (row) => Number(row.isSilent || row.records > LIMITS.lagRecords),
    },
  ];
  return (
    <Section title={t('names.consumers')} about={t('aboutConsumers')}>
      <DataTable
        caption={t('names.consumers')}
        isCaptionHidden
        columns={columns}
        rows={lagRowsOf(system)}
        rowKey={({ consumer, source }) => `${consumer} ${source}`}
        empty={t('words.noConsumers')}
        csv="consumers"
      />
    </Section>
  );
}
