"""What the law asks of patients' and doctors' data: given out, erased, not kept too long."""
