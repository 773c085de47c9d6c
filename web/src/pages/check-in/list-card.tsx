/** The list that this device goes on with when there is no network. */
import type { ReactNode } from 'react';
import { ApiProblem } from '../../api/problem';
import type { Snapshot } from '../../check-in/station';
import { useCheckInText } from '../../i18n/check-in';
import { useText } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Card, Notice } from '../../ui/panels';
import { problemTextKey } from '../../ui/problem-text';
import { useMoment } from './parts';

export function ListCard(props: {
  readonly snapshot: Snapshot;
  readonly isPageKept: boolean;
  readonly onRefresh: () => void;
}): ReactNode {
  const { snapshot, isPageKept, onRefresh } = props;
  const t = useCheckInText('list');
  const moment = useMoment();
  const { list, listFault, isRefreshing } = snapshot;
  return (
    <Card className="stack">
      <h2>{t('title')}</h2>
      {list && (
        <p>
          {t('facts', { count: list.size, made: moment(list.issuedAt) })}{' '}
          {list.by === ''
            ? t('byNobody', { time: moment(list.downloadedAt) })
            : t('by', { time: moment(list.downloadedAt), name: list.by })}
        </p>
      )}
      {listFault !== null && <ListFaultText fault={listFault} />}
      <p className="soft">{isPageKept ? t('ready') : t('notReady')}</p>
      <p>
        <Button look="secondary" isBusy={isRefreshing} onClick={onRefresh}>
          {t('refresh')}
        </Button>
      </p>
    </Card>
  );
}

export function ListFaultText({ fault }: { readonly fault: NonNullable<Snapshot['listFault']> }): ReactNode {
  const t = useCheckInText('list');
  const problems = useText('problems');
  return (
    <p className="field-error">
      {fault instanceof ApiProblem
        ? t('problem', { reason: problems(`${problemTextKey(fault)}.title`) })
        : t(`fault.${fault}`)}
    </p>
  );
}

/** What everybody at the gate must know of the list. */
export function ListWarning({ snapshot }: { readonly snapshot: Snapshot }): ReactNode {
  const t = useCheckInText('list');
  const moment = useMoment();
  const { list } = snapshot;
  if (!list) {
    return (
      <Notice tone="bad" title={t('noneTitle')}>
        <p>{t('noneBody')}</p>
      </Notice>
    );
  }
  if (!list.isOld) return null;
  return (
    <Notice tone="warn" title={t('oldTitle')}>
      <p>{t('oldBody', { made: moment(list.issuedAt) })}</p>
    </Notice>
  );
}
