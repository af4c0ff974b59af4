output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Addresses of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Ids of the private subnets, in the order of their zones."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
}

output "zones" {
  description = "Names of the availability zones that have subnets."
  value       = local.zones
}

output "nat_addresses" {
  description = "Public addresses from which requests leave; empty where `egress` is `endpoints`."
  value       = [for address in aws_eip.nat : address.public_ip]
}
