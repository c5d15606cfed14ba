"""The journal is append-only: the database itself refuses UPDATE, DELETE and TRUNCATE (contract.md I16)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION alerts_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit journal is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER alerts_audit_no_change BEFORE UPDATE OR DELETE ON alerts_auditevent
    FOR EACH ROW EXECUTE FUNCTION alerts_audit_refuse();
CREATE TRIGGER alerts_audit_no_truncate BEFORE TRUNCATE ON alerts_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION alerts_audit_refuse();
-- ALWAYS: also in sessions that switch ordinary triggers off (session_replication_role).
ALTER TABLE alerts_auditevent ENABLE ALWAYS TRIGGER alerts_audit_no_change;
ALTER TABLE alerts_auditevent ENABLE ALWAYS TRIGGER alerts_audit_no_truncate;
"""

BACKWARD = """
DROP TRIGGER alerts_audit_no_truncate ON alerts_auditevent;
DROP TRIGGER alerts_audit_no_change ON alerts_auditevent;
DROP FUNCTION alerts_audit_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("alerts", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
