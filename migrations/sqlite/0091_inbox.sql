-- Each question that the worker asks of the inbox touches the rows it is about, however many are finished or waiting.
CREATE INDEX inbox_unread ON inbox (id) WHERE state = 0;
CREATE INDEX inbox_waiting ON inbox (class, id) WHERE state = 1;
CREATE INDEX inbox_due ON inbox (due_at) WHERE state = 1;
CREATE INDEX inbox_waiting_subject ON inbox (subject) WHERE state = 1;
CREATE INDEX inbox_claimed_subject ON inbox (subject) WHERE state = 2;
