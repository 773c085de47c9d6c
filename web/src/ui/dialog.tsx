/**
 * A question in front of the page: the focus stays in it and goes back where it was, Escape closes it, what is
 * behind it is hidden from screen readers.
 */
import type { ReactNode } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { useLocale } from '../i18n/locale';

export interface DialogProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  /** `close` closes it. */
  readonly children: (close: () => void) => ReactNode;
  /** A question that must be answered: a click beside it does not close it. */
  readonly isAlert?: boolean;
}

export function Dialog({ title, isOpen, onClose, children, isAlert = false }: DialogProps): ReactNode {
  const { dir } = useLocale();
  return (
    <ModalOverlay
      className="dialog-overlay"
      isOpen={isOpen}
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      isDismissable={!isAlert}
    >
      <Modal className="dialog-modal">
        <AriaDialog className="dialog" role={isAlert ? 'alertdialog' : 'dialog'}>
          {({ close }) => (
            <div dir={dir}>
              <Heading slot="title" className="dialog-title">
                {title}
              </Heading>
              {children(close)}
            </div>
          )}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
