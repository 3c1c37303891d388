"""The product in the forms that others read: volume files, DICOM series, report, table."""
