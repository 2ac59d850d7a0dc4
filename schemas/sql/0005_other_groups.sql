-- Names of referring physicians like those of patients (0002): the first group that is there, and few with more.
UPDATE study SET referring_physician_name = split_part(referring_physician_name_groups, E'\n', 2)
 WHERE referring_physician_name IS NULL AND referring_physician_name_groups IS NOT NULL;
CREATE INDEX study_referring_physician_name_second ON study (tenant_id)
 WHERE referring_physician_name_groups LIKE E'\n%\n%\n\t%';
