import { useState, type ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Notice } from '../../ui/panels';
import { useRead, useReadAnew } from '../data';
import { useFigures } from '../figures';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { DataTable, type Column } from '../ui/data-table';
import { Id } from '../ui/facts';
import { Section } from '../ui/section';
import { TicketName } from '../ui/ticket-name';
import { Verdict } from '../ui/verdict';
import {
  holdKey,
  MARKET_EVERY_MS,
  releaseRemoteHold,
  remoteHolds,
  seenHolds,
  type RemoteHold,
  type RemoteHoldReleased,
  type RemoteHolds,
  type SeenHold,
} from './data';

export function RemoteHoldsSection(): ReactNode {
  const t = useOperatorText('market');
  const { span } = useFigures();
  const read = useRead<RemoteHolds>(remoteHolds, { everyMs: MARKET_EVERY_MS });
  const readAnew = useReadAnew();
  const [asked, setAsked] = useState<RemoteHold | null>(null);
  const [told, setTold] = useState<{ readonly hold: RemoteHold; readonly answer: RemoteHoldReleased } | null>(
    null,
  );
  const release = async (hold: RemoteHold, note: string): Promise<void> => {
    setTold(null);
    setTold({ hold, answer: await releaseRemoteHold(hold, note) });
    void readAnew(remoteHolds.path);
  };
  const about = read.data && t('holdsAbout', { span: span(read.data.flaggedAfterMs / 1_000) });
  return (
    <Section title={t('holdsTitle')} about={about} read={read}>
      <div role="status">
        {told &&
          (told.answer.result === 'applied' ? (
            <Notice
              tone="good"
              title={t('released', { count: told.answer.released, peer: told.hold.clientId })}
            />
          ) : (
            <Notice title={t('holdUnchanged')} />
          ))}
      </div>
      {read.data?.more === true && <Notice tone="warn" title={t('more')} />}
      {read.data && <List holds={seenHolds(read.data, read.readAt)} onAsk={setAsked} />}
      {asked && (
        <ConfirmDialog
          title={t('releaseTitle')}
          action={t('release')}
          note="required"
          isOpen
          onClose={() => setAsked(null)}
          onConfirm={(note) => release(asked, note)}
        >
          <p>
            <TicketName matchNumber={asked.matchNumber} category={asked.category} />
          </p>
          <p>{t('releaseEffect', { count: asked.held, peer: asked.clientId })}</p>
          <p>{t('releaseRisk', { peer: asked.clientId })}</p>
        </ConfirmDialog>
      )}
    </Section>
  );
}

function List(props: {
  readonly holds: readonly SeenHold[];
  readonly onAsk: (hold: RemoteHold) => void;
}): ReactNode {
  const { holds, onAsk } = props;
  const t = useOperatorText('market');
  const { stamp, span, number } = useFigures();
  const columns: Column<SeenHold>[] = [
    {
      key: 'ticket',
      header: t('ticket'),
      isName: true,
      sort: ({ hold }) => hold.matchNumber * 10 + hold.category,
      csv: ({ hold }) => `${hold.matchNumber}:${hold.category}`,
      cell: ({ hold }) => <TicketName matchNumber={hold.matchNumber} category={hold.category} />,
    },
    {
      key: 'flag',
      header: t('flag'),
      sort: ({ hold }) => (hold.isFlagged ? 0 : 1),
      csv: ({ hold }) => hold.isFlagged,
      cell: ({ hold }) =>
        hold.isFlagged ? (
          <Verdict kind="look">{t('tooLong')}</Verdict>
        ) : (
          <Verdict kind="fine">{t('inTime')}</Verdict>
        ),
    },
    {
      key: 'peer',
      header: t('peer'),
      sort: ({ hold }) => hold.clientId,
      cell: ({ hold }) => <Id>{hold.clientId}</Id>,
    },
    {
      key: 'reservation',
      header: t('theirReservation'),
      sort: ({ hold }) => hold.reservationId ?? '',
      cell: ({ hold }) =>
        hold.reservationId === undefined ? (
          <span className="soft">{t('noReservation')}</span>
        ) : (
          <Id>{hold.reservationId}</Id>
        ),
    },
    {
      key: 'held',
      header: t('quantity'),
      isNumber: true,
      sort: ({ hold }) => hold.held,
      cell: ({ hold }) => number(hold.held),
    },
    {
      key: 'since',
      header: t('heldFor'),
      sort: ({ ageMs }) => ageMs,
      csv: ({ hold }) => hold.heldSince,
      cell: ({ hold, ageMs }) => (
        <>
          <span className="nowrap">{span(ageMs / 1_000)}</span>
          <span className="soft small block">{t('since', { time: stamp(hold.heldSince) })}</span>
        </>
      ),
    },
    {
      key: 'release',
      header: t('decision'),
      csv: null,
      cell: ({ hold }) => (
        <Button
          look="secondary"
          className="operator-small"
          aria-label={t('releaseLabel', {
            number: hold.matchNumber,
            category: hold.category,
            peer: hold.clientId,
          })}
          onClick={() => onAsk(hold)}
        >
          {t('release')}
        </Button>
      ),
    },
  ];
  return (
    <DataTable
      caption={t('holdsTitle')}
      isCaptionHidden
      columns={columns}
      rows={holds}
      rowKey={({ hold }) => holdKey(hold)}
      empty={t('noHolds')}
      csv="remote-holds"
      rowClass={({ hold }) => (hold.isFlagged ? 'operator-flagged' : undefined)}
    />
  );
}
