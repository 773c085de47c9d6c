import { useState, type ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Badge, Notice } from '../../ui/panels';
import { useRead, useReadAnew } from '../data';
import { useFigures } from '../figures';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { DataTable, type Column } from '../ui/data-table';
import { Id } from '../ui/facts';
import { Section } from '../ui/section';
import { TicketName } from '../ui/ticket-name';
import {
  byUrgency,
  decideOrphan,
  givesBack,
  MARKET_EVERY_MS,
  orphans,
  type Orphan,
  type OrphanDecided,
  type OrphanDecision,
  type Orphans,
} from './data';

interface Question {
  readonly orphan: Orphan;
  readonly decision: OrphanDecision;
}

export function OrphansSection(): ReactNode {
  const t = useOperatorText('market');
  const read = useRead<Orphans>(orphans, { everyMs: MARKET_EVERY_MS });
  const readAnew = useReadAnew();
  const [asked, setAsked] = useState<Question | null>(null);
  const [told, setTold] = useState<(Question & { readonly answer: OrphanDecided }) | null>(null);
  const decide = async (question: Question, note: string): Promise<void> => {
    setTold(null);
    const answer = await decideOrphan(question.orphan, question.decision, note);
    setTold({ ...question, answer });
    void readAnew(orphans.path);
  };
  return (
    <Section title={t('orphansTitle')} about={t('orphansAbout')} read={read}>
      <div role="status">{told && <Told {...told} />}</div>
      {read.data?.more === true && <Notice tone="warn" title={t('more')} />}
      <List orphans={byUrgency(read.data?.orphans ?? [])} onAsk={setAsked} />
      {asked && (
        <ConfirmDialog
          title={t(`decisions.${asked.decision}.title`)}
          action={t(`decisions.${asked.decision}.action`)}
          look={asked.decision === 'dismiss' ? 'primary' : 'danger'}
          note="required"
          isOpen
          onClose={() => setAsked(null)}
          onConfirm={(note) => decide(asked, note)}
        >
          <Effect {...asked} />
        </ConfirmDialog>
      )}
    </Section>
  );
}

/** What the decision does to the counters, in a sentence. */
function Effect({ orphan, decision }: Question): ReactNode {
  const t = useOperatorText('market');
  const { clientId: peer, quantity, matchNumber, category } = orphan;
  const count = givesBack(orphan);
  return (
    <>
      <p>
        <TicketName matchNumber={matchNumber} category={category} />
      </p>
      {decision === 'give_back' ? (
        <>
          <p>{t('giveBackEffect', { count, peer })}</p>
          {count < quantity && <p>{t('giveBackFewer', { count, quantity })}</p>}
        </>
      ) : (
        <p>{t('dismissEffect', { peer })}</p>
      )}
    </>
  );
}

function Told({ orphan, decision, answer }: Question & { readonly answer: OrphanDecided }): ReactNode {
  const t = useOperatorText('market');
  const { clientId: peer } = orphan;
  if (answer.result === 'unchanged') return <Notice title={t('orphanUnchanged')} />;
  return (
    <Notice
      tone="good"
      title={
        decision === 'give_back'
          ? t('givenBack', { count: answer.givenBack, peer })
          : t('dismissed', { peer })
      }
    />
  );
}

function List(props: {
  readonly orphans: readonly Orphan[];
  readonly onAsk: (question: Question) => void;
}): ReactNode {
  const { orphans: rows, onAsk } = props;
  const t = useOperatorText('market');
  const { stamp, number } = useFigures();
  const columns: Column<Orphan>[] = [
    {
      key: 'ticket',
      header: t('ticket'),
      isName: true,
      sort: ({ matchNumber, category }) => matchNumber * 10 + category,
      csv: ({ matchNumber, category }) => `${matchNumber}:${category}`,
      cell: ({ matchNumber, category }) => <TicketName matchNumber={matchNumber} category={category} />,
    },
    {
      key: 'kind',
      header: t('kind'),
      sort: ({ kind }) => kind,
      cell: ({ kind }) => <Badge tone={kind === 'orphan' ? 'wait' : 'warn'}>{t(`kinds.${kind}`)}</Badge>,
    },
    {
      key: 'peer',
      header: t('peer'),
      sort: ({ clientId }) => clientId,
      cell: ({ clientId }) => <Id>{clientId}</Id>,
    },
    {
      key: 'quantity',
      header: t('quantity'),
      isNumber: true,
      sort: ({ quantity }) => quantity,
      cell: ({ quantity }) => number(quantity),
    },
    {
      key: 'soldByPeer',
      header: t('soldByPeer'),
      isNumber: true,
      sort: ({ soldByPeer }) => soldByPeer,
      cell: ({ soldByPeer }) => number(soldByPeer),
    },
    {
      key: 'recordedAt',
      header: t('recorded'),
      sort: ({ recordedAt }) => recordedAt,
      cell: ({ recordedAt }) => <span className="nowrap">{stamp(recordedAt)}</span>,
    },
    {
      key: 'decision',
      header: t('decision'),
      csv: null,
      cell: (orphan) => <Decisions orphan={orphan} onAsk={onAsk} />,
    },
  ];
  return (
    <DataTable
      caption={t('orphansTitle')}
      isCaptionHidden
      columns={columns}
      rows={rows}
      rowKey={({ matchNumber, category, id }) => `${matchNumber}:${category}:${id}`}
      empty={t('noOrphans')}
      csv="orphans"
    />
  );
}

function Decisions(props: {
  readonly orphan: Orphan;
  readonly onAsk: (question: Question) => void;
}): ReactNode {
  const { orphan, onAsk } = props;
  const t = useOperatorText('market');
  const about = { number: orphan.matchNumber, category: orphan.category, peer: orphan.clientId };
  const button = (decision: OrphanDecision): ReactNode => (
    <Button
      look="secondary"
      className="operator-small"
      aria-label={t(`decisions.${decision}.label`, about)}
      disabled={decision === 'give_back' && givesBack(orphan) === 0}
      onClick={() => onAsk({ orphan, decision })}
    >
      {t(`decisions.${decision}.action`)}
    </Button>
  );
  return (
    <>
      <div className="operator-deeds">
        {button('give_back')}
        {button('dismiss')}
      </div>
      {givesBack(orphan) === 0 && <p className="soft small">{t('nothingSold')}</p>}
    </>
  );
}
