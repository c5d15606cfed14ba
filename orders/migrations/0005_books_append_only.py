"""The books are append-only, and nothing in them spans two accounts, and so no two environments (I8, I9, I11)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION orders_books_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION orders_fill_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fixed orders_fill := NEW;
BEGIN
    -- How a fill settles may change; what was traded may not.
    fixed.settlement := OLD.settlement;
    fixed.voided := OLD.voided;
    fixed.transaction_hash := OLD.transaction_hash;
    IF fixed IS DISTINCT FROM OLD OR (OLD.voided AND NOT NEW.voided) THEN
        RAISE EXCEPTION 'fill %: only its settlement may change, and a void is final', OLD.id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION orders_account_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.environment <> OLD.environment OR NEW.venue <> OLD.venue THEN
        RAISE EXCEPTION 'account %: its environment and venue never change', OLD.id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER orders_ledgertransaction_no_change BEFORE UPDATE OR DELETE ON orders_ledgertransaction
    FOR EACH ROW EXECUTE FUNCTION orders_books_refuse();
CREATE TRIGGER orders_ledgertransaction_no_truncate BEFORE TRUNCATE ON orders_ledgertransaction
    FOR EACH STATEMENT EXECUTE FUNCTION orders_books_refuse();
CREATE TRIGGER orders_ledgerentry_no_change BEFORE UPDATE OR DELETE ON orders_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION orders_books_refuse();
CREATE TRIGGER orders_ledgerentry_no_truncate BEFORE TRUNCATE ON orders_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION orders_books_refuse();
CREATE TRIGGER orders_fill_no_delete BEFORE DELETE ON orders_fill
    FOR EACH ROW EXECUTE FUNCTION orders_books_refuse();
CREATE TRIGGER orders_fill_no_truncate BEFORE TRUNCATE ON orders_fill
    FOR EACH STATEMENT EXECUTE FUNCTION orders_books_refuse();
CREATE TRIGGER orders_fill_only_settlement BEFORE UPDATE ON orders_fill
    FOR EACH ROW EXECUTE FUNCTION orders_fill_guard();
CREATE TRIGGER orders_account_stays BEFORE UPDATE OF environment, venue ON orders_account
    FOR EACH ROW EXECUTE FUNCTION orders_account_guard();

-- ALWAYS: also in sessions that switch ordinary triggers off (session_replication_role).
ALTER TABLE orders_ledgertransaction ENABLE ALWAYS TRIGGER orders_ledgertransaction_no_change;
ALTER TABLE orders_ledgertransaction ENABLE ALWAYS TRIGGER orders_ledgertransaction_no_truncate;
ALTER TABLE orders_ledgerentry ENABLE ALWAYS TRIGGER orders_ledgerentry_no_change;
ALTER TABLE orders_ledgerentry ENABLE ALWAYS TRIGGER orders_ledgerentry_no_truncate;
ALTER TABLE orders_fill ENABLE ALWAYS TRIGGER orders_fill_no_delete;
ALTER TABLE orders_fill ENABLE ALWAYS TRIGGER orders_fill_no_truncate;
ALTER TABLE orders_fill ENABLE ALWAYS TRIGGER orders_fill_only_settlement;
ALTER TABLE orders_account ENABLE ALWAYS TRIGGER orders_account_stays;

-- A fill belongs to its order's account, an entry to its transaction's: the keys say so, not the code.
ALTER TABLE orders_order ADD CONSTRAINT order_of_account UNIQUE (id, account_id);
ALTER TABLE orders_ledgertransaction ADD CONSTRAINT ledger_fact_of_account UNIQUE (id, account_id);
ALTER TABLE orders_fill ADD CONSTRAINT fill_account_is_orders
    FOREIGN KEY (order_id, account_id) REFERENCES orders_order (id, account_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE orders_ledgerentry ADD CONSTRAINT entry_account_is_facts
    FOREIGN KEY (transaction_id, account_id) REFERENCES orders_ledgertransaction (id, account_id)
    DEFERRABLE INITIALLY DEFERRED;
"""

BACKWARD = """
ALTER TABLE orders_ledgerentry DROP CONSTRAINT entry_account_is_facts;
ALTER TABLE orders_fill DROP CONSTRAINT fill_account_is_orders;
ALTER TABLE orders_ledgertransaction DROP CONSTRAINT ledger_fact_of_account;
ALTER TABLE orders_order DROP CONSTRAINT order_of_account;
DROP TRIGGER orders_account_stays ON orders_account;
DROP TRIGGER orders_fill_only_settlement ON orders_fill;
DROP TRIGGER orders_fill_no_truncate ON orders_fill;
DROP TRIGGER orders_fill_no_delete ON orders_fill;
DROP TRIGGER orders_ledgerentry_no_truncate ON orders_ledgerentry;
DROP TRIGGER orders_ledgerentry_no_change ON orders_ledgerentry;
DROP TRIGGER orders_ledgertransaction_no_truncate ON orders_ledgertransaction;
DROP TRIGGER orders_ledgertransaction_no_change ON orders_ledgertransaction;
DROP FUNCTION orders_account_guard();
DROP FUNCTION orders_fill_guard();
DROP FUNCTION orders_books_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_checkups")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
