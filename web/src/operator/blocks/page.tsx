/** Addresses that nothing is answered to: what is blocked, by whom and why; adding to it, and ending a block. */
import { useState, type ReactNode } from 'react';
import { useForm } from '../../account/use-form';
import { api } from '../../api';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Field, Select } from '../../ui/field';
import { Badge, ErrorPanel } from '../../ui/panels';
import { useToast } from '../../ui/toast';
import { usePages, useReadAnew } from '../data';
import { useFigures } from '../figures';
import { ActorName } from '../ui/actor-name';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { DataTable, type Column } from '../ui/data-table';
import { PageTitle } from '../ui/page-title';
import { Pager } from '../ui/pager';
import { Section } from '../ui/section';
import {
  ADDRESS_CHARS_MAX,
  isAddress,
  LASTING,
  LASTING_SECONDS,
  REASON_CHARS_MAX,
  type Lasting,
} from './rules';
import type { Block, Blocks } from './types';

const PATH = '/blocks';
const PER_PAGE = 50;

export default function BlocksPage(): ReactNode {
  const t = useOperatorText('blocks');
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <AddBlock />
      <List />
    </div>
  );
}

type Fields = 'cidr' | 'reason';

function AddBlock(): ReactNode {
  const t = useOperatorText('blocks');
  const say = useToast();
  const readAnew = useReadAnew();
  const form = useForm<Fields>();
  const [cidr, setCidr] = useState('');
  const [reason, setReason] = useState('');
  const [lasting, setLasting] = useState<Lasting>('day');
  const faults: Fields[] = [];
  if (!isAddress(cidr)) faults.push('cidr');
  if (reason.trim() === '') faults.push('reason');
  const send = async (): Promise<void> => {
    const seconds = LASTING_SECONDS[lasting];
    const expiresAt =
      seconds === null ? {} : { expiresAt: new Date(Date.now() + seconds * 1_000).toISOString() };
    const body = { cidr: cidr.trim(), reason: reason.trim(), ...expiresAt };
    const added = await api.send<Block>({ method: 'POST', path: PATH, body });
    say(t('added', { cidr: added.cidr }));
    setCidr('');
    setReason('');
    await readAnew(PATH);
  };
  const refused = form.problem?.errors.find(({ path }) => path === 'cidr');
  return (
    <Section title={t('add')} about={t('addBody')}>
      <form className="stack" noValidate onSubmit={(event) => form.submit(event, faults, send)}>
        <div className="operator-filters operator-filters-wide">
          <Field
            name="cidr"
            label={t('address')}
            hint={t('addressHint')}
            error={form.wrong.has('cidr') || refused ? t('addressWrong') : undefined}
            dir="ltr"
            autoComplete="off"
            spellCheck={false}
            maxLength={ADDRESS_CHARS_MAX}
            value={cidr}
            onChange={(event) => {
              setCidr(event.target.value);
              form.touched('cidr');
              form.clear();
            }}
          />
          <Field
            name="reason"
            label={t('reason')}
            hint={t('reasonHint')}
            error={form.wrong.has('reason') ? t('reasonMissing') : undefined}
            maxLength={REASON_CHARS_MAX}
            value={reason}
            onChange={(event) => {
              setReason(event.target.value);
              form.touched('reason');
            }}
          />
          <Select
            label={t('lasting')}
            value={lasting}
            onChange={({ target }) => setLasting(LASTING.find((one) => one === target.value) ?? 'day')}
          >
            {LASTING.map((one) => (
              <option key={one} value={one}>
                {t(`lastings.${one}`)}
              </option>
            ))}
          </Select>
        </div>
        {form.problem && !refused && <ErrorPanel problem={form.problem} />}
        {refused && (
          <p className="field-error" role="alert" lang="en" dir="ltr">
            {refused.message}
          </p>
        )}
        <div>
          <Button type="submit" isBusy={form.isBusy}>
            {t('addAction')}
          </Button>
        </div>
      </form>
    </Section>
  );
}

function List(): ReactNode {
  const t = useOperatorText('blocks');
  const figures = useFigures();
  const say = useToast();
  const readAnew = useReadAnew();
  const read = usePages<Blocks>({ path: PATH, query: { limit: PER_PAGE } });
  const [ending, setEnding] = useState<Block | null>(null);
  const columns: Column<Block>[] = [
    {
      key: 'cidr',
      header: t('address'),
      cell: ({ cidr }) => <bdi className="mono">{cidr}</bdi>,
      sort: ({ cidr }) => cidr,
      isName: true,
    },
    {
      key: 'reason',
      header: t('reason'),
      cell: ({ reason }) => <span dir="auto">{reason}</span>,
      sort: ({ reason }) => reason,
    },
    {
      key: 'by',
      header: t('by'),
      cell: ({ addedBy }) => <ActorName actor={addedBy} />,
      sort: ({ addedBy }) => addedBy,
    },
    {
      key: 'since',
      header: t('since'),
      cell: ({ createdAt }) => figures.stamp(createdAt),
      sort: ({ createdAt }) => createdAt,
      isShort: true,
    },
    {
      key: 'until',
      header: t('until'),
      cell: ({ expiresAt }) =>
        expiresAt === undefined ? <Badge tone="warn">{t('forever')}</Badge> : figures.stamp(expiresAt),
      sort: ({ expiresAt }) => expiresAt ?? '9',
      csv: ({ expiresAt }) => expiresAt,
      isShort: true,
    },
    {
      key: 'end',
      header: t('change'),
      cell: (block) => (
        <Button
          look="quiet"
          className="operator-small"
          aria-label={t('endOf', { cidr: block.cidr })}
          onClick={() => setEnding(block)}
        >
          {t('end')}
        </Button>
      ),
    },
  ];
  const end = async ({ id, cidr }: Block): Promise<void> => {
    await api.send({ method: 'DELETE', path: `${PATH}/${encodeURIComponent(id)}` });
    say(t('ended', { cidr }));
    await readAnew(PATH);
  };
  return (
    <Section title={t('list')} read={read}>
      <DataTable
        caption={t('list')}
        isCaptionHidden
        columns={columns}
        rows={read.data?.blocks ?? []}
        rowKey={({ id }) => id}
        empty={t('none')}
        csv="blocks"
      />
      <Pager place={read.place} caption={t('list')} />
      {ending && (
        <ConfirmDialog
          title={t('endTitle')}
          action={t('end')}
          isOpen
          onClose={() => setEnding(null)}
          onConfirm={() => end(ending)}
        >
          <p>{t('endBody', { cidr: ending.cidr })}</p>
        </ConfirmDialog>
      )}
    </Section>
  );
}
