/** Giving a hold back, asked for twice: the tickets may be gone a second later. */
import { useState, type ReactNode } from 'react';
import { useText } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Dialog } from '../../ui/dialog';

export function GiveBack(props: { readonly onConfirm: () => void; readonly isPaying?: boolean }): ReactNode {
  const { onConfirm, isPaying = false } = props;
  const t = useText('checkout');
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <p>
        <Button look="quiet" onClick={() => setOpen(true)}>
          {t('giveBack')}
        </Button>
      </p>
      <Dialog title={t('giveBackTitle')} isOpen={isOpen} onClose={() => setOpen(false)} isAlert>
        {(close) => (
          <div className="stack">
            <p>{t(isPaying ? 'giveBackPaying' : 'giveBackBody')}</p>
            <div className="row">
              <Button
                look="danger"
                onClick={() => {
                  close();
                  onConfirm();
                }}
              >
                {t('giveBackYes')}
              </Button>
              <Button look="secondary" onClick={close} autoFocus>
                {t('giveBackNo')}
              </Button>
            </div>
          </div>
        )}
      </Dialog>
    </>
  );
}
