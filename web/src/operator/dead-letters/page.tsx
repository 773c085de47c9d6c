/**
 * Messages that could take no effect: why, where they came from, what they say, and sending one through again.
 *
 * Guarantees: the message is shown as it came, and nothing in it can act; an outcome is told as the server told it.
 */
import { useState, type ReactNode } from 'react';
import { Link, useLocation } from 'react-router';
import { useOperatorText } from '../../i18n/operator';
import { ButtonLink } from '../../ui/button';
import { Badge, EmptyState } from '../../ui/panels';
import { usePages } from '../data';
import { useFigures } from '../figures';
import { DataTable, type Column } from '../ui/data-table';
import { Id } from '../ui/facts';
import { PageTitle } from '../ui/page-title';
import { Pager } from '../ui/pager';
import { Section } from '../ui/section';
import { LETTERS_EVERY_MS, letters, type DeadLetter, type DeadLetterPage } from './data';
import { Letter } from './letter';

export default function DeadLettersPage(): ReactNode {
  const t = useOperatorText('deadLetters');
  const { hash } = useLocation();
  const read = usePages<DeadLetterPage>(letters, { everyMs: LETTERS_EVERY_MS });
  const id = idOf(hash);
  const shown = useKept(id, read.data?.letters ?? []);
  if (id !== null && shown) return <Letter key={id} letter={shown} />;
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      {id !== null && read.data !== null && (
        <EmptyState title={t('goneTitle')} body={t('goneBody')}>
          <ButtonLink look="secondary" to={{ hash: '' }}>
            {t('back')}
          </ButtonLink>
        </EmptyState>
      )}
      <Section title={t('listTitle')} about={t('about')} read={read}>
        <List letters={read.data?.letters ?? []} />
        <Pager place={read.place} caption={t('listTitle')} />
      </Section>
    </div>
  );
}

/** Ids contain any characters; the address has them encoded, after its `#`. */
function idOf(hash: string): string | null {
  try {
    const id = decodeURIComponent(hash.slice(1));
    return id === '' ? null : id;
  } catch {
    return null;
  }
}

/** The letter that is open: it stays so when it leaves the list, so that what became of it can be read. */
function useKept(id: string | null, list: readonly DeadLetter[]): DeadLetter | null {
  const [kept, setKept] = useState<DeadLetter | null>(null);
  const fresh = list.find((letter) => letter.id === id);
  if (fresh && fresh !== kept) setKept(fresh);
  return kept?.id === id ? kept : null;
}

function List({ letters: rows }: { readonly letters: readonly DeadLetter[] }): ReactNode {
  const t = useOperatorText('deadLetters');
  const { stamp, number } = useFigures();
  const columns: Column<DeadLetter>[] = [
    {
      key: 'reason',
      header: t('reason'),
      sort: ({ reason }) => reason,
      isName: true,
      cell: ({ id, reason }) => (
        <Link to={{ hash: encodeURIComponent(id) }} lang="en" dir="auto">
          {reason}
        </Link>
      ),
    },
    {
      key: 'receivedAt',
      header: t('received'),
      sort: ({ receivedAt }) => receivedAt,
      cell: ({ receivedAt }) => <span className="nowrap">{stamp(receivedAt)}</span>,
    },
    {
      key: 'source',
      header: t('source'),
      sort: ({ source }) => source,
      cell: ({ source }) => <Id>{source}</Id>,
    },
    {
      key: 'size',
      header: t('size'),
      isNumber: true,
      sort: ({ rawBytes }) => rawBytes,
      cell: ({ rawBytes }) => t('bytes', { count: rawBytes, bytes: number(rawBytes) }),
    },
    {
      key: 'redrivenAt',
      header: t('state'),
      sort: ({ redrivenAt }) => redrivenAt ?? '',
      cell: ({ redrivenAt }) =>
        redrivenAt === undefined ? (
          <Badge tone="warn">{t('open')}</Badge>
        ) : (
          <Badge tone="good">{t('redrivenOn', { time: stamp(redrivenAt) })}</Badge>
        ),
    },
  ];
  return (
    <DataTable
      caption={t('listTitle')}
      isCaptionHidden
      columns={columns}
      rows={rows}
      rowKey={({ id }) => id}
      empty={t('empty')}
    />
  );
}
